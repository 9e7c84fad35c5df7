package server_test

import (
	"bufio"
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/parley-chat/parley/internal/config"
	"github.com/parley-chat/parley/internal/server"
	"github.com/parley-chat/parley/wire/textwire"
)

// benchServer runs a server on loopback, with the usual password hash and the
// given durability.
func benchServer(b *testing.B, durability string) *server.Server {
	b.Helper()
	cfg := config.Default()
	cfg.Data, cfg.Text, cfg.Line, cfg.Durability = b.TempDir(), "127.0.0.1:0", "127.0.0.1:0", durability
	s, err := server.Start(b.Context(), cfg, server.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// readFrames reads so many frames and fails on an error among them.
func readFrames(b *testing.B, r *bufio.Reader, n int) {
	var header [textwire.HeaderSize]byte
	for range n {
		if _, err := io.ReadFull(r, header[:]); err != nil {
			b.Fatal(err)
		}
		size := int(binary.BigEndian.Uint32(header[:]))
		data, err := r.Peek(size)
		if err != nil {
			b.Fatal(err)
		}
		if strings.HasPrefix(string(data), "error,") {
			b.Fatalf("answer %q", data)
		}
		r.Discard(size)
	}
}

// BenchmarkSay is one text session in a room of one, with so many posts
// outstanding. Each is durable before it is answered.
func BenchmarkSay(b *testing.B) {
	for _, durability := range []string{"full", "relaxed"} {
		for _, window := range []int{1, 256} {
			b.Run(durability+"/"+strconv.Itoa(window), func(b *testing.B) { benchmarkSay(b, durability, window) })
		}
	}
}

func benchmarkSay(b *testing.B, durability string, window int) {
	s := benchServer(b, durability)
	defer s.Shutdown(b.Context())
	conn, err := net.Dial("tcp", s.Addr("text").String())
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	r := bufio.NewReaderSize(conn, 1<<16)
	for _, request := range [][]string{{"guest", "bench"}, {"new", "alone"}, {"join", "alone"}} {
		conn.Write(textwire.AppendFrame(nil, request...))
		readFrames(b, r, 1)
	}
	frame := textwire.AppendFrame(nil, "say", "alone", strings.Repeat("x", 64))
	var burst []byte
	for range window {
		burst = append(burst, frame...)
	}
	b.ResetTimer()
	// Half a window is written whenever half a window has been answered, so
	// that between half and all of it is outstanding.
	half := max(window/2, 1)
	conn.Write(burst)
	sent := window
	for answered := 0; answered < b.N; answered += half {
		readFrames(b, r, half)
		conn.Write(burst[:half*len(frame)])
		sent += half
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}

// BenchmarkStart is from nothing to doors that accept, in an empty directory.
func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		s := benchServer(b, "full")
		b.StopTimer()
		s.Shutdown(b.Context())
		b.StartTimer()
	}
}

// BenchmarkIdle tells what connections cost that have said a name and nothing
// since, in bytes of resident memory each; their other ends are in this
// process too, and cost descriptors but little memory.
func BenchmarkIdle(b *testing.B) {
	const connections = 2000
	s := benchServer(b, "relaxed")
	defer s.Shutdown(b.Context())
	before := resident(b)
	for b.Loop() {
		conns := make([]net.Conn, connections)
		answer := make([]byte, 1)
		for i := range conns {
			conn, err := net.Dial("tcp", s.Addr("line").String())
			if err != nil {
				b.Fatal(err)
			}
			conns[i] = conn
			io.WriteString(conn, "n"+strconv.FormatInt(int64(i), 8)+"_\n")
			if _, err := io.ReadFull(conn, answer); err != nil {
				b.Fatal(err)
			}
		}
		runtime.GC()
		b.ReportMetric(float64(resident(b)-before)/connections, "B/connection")
		for _, conn := range conns {
			conn.Close()
		}
	}
}

// resident gives this process's resident memory; 0 where the system does not
// tell.
func resident(b *testing.B) int {
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		b.Skip("this system does not tell the resident memory")
	}
	pages, err := strconv.Atoi(strings.Fields(string(statm))[1])
	if err != nil {
		b.Fatal(err)
	}
	return pages * os.Getpagesize()
}
