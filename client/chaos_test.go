package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/client"
	"github.com/parley-chat/parley/internal/memnet"
	"github.com/parley-chat/parley/internal/proof"
)

// chaos is a server with one room and one client, which does in any order what the
// protocol lets a server do: it commits what others say, tells it later, gives pages of any
// size that hold what it has not told yet, and loses its connection.
type chaos struct {
	rng     *rand.Rand
	dialed  chan net.Conn
	padding string

	log    []*line
	posts  map[string]*line // by client id
	left   int              // requests until it is calm
	calm   bool             // the connection lasts from now on
	joined bool
	told   int // of the log, to the client if it was in the room
}

// A line is what was said. Its seq is twice its place: ids need not be consecutive.
type line struct {
	seq  int
	by   string
	text string
}

func (l *line) fields(padding string) []string {
	m := parley.Message{Conversation: 1, Seq: int64(l.seq)}
	return []string{m.ID(), "2026-11-20T20:31:37.581Z", l.by, l.text + padding}
}

func (s *chaos) say(by, text string) *line {
	l := &line{seq: 2*len(s.log) + 2, by: by, text: text}
	s.log = append(s.log, l)
	return l
}

// serve serves connections until one was calm and the client has closed it.
func (s *chaos) serve() {
	for c := range s.dialed {
		requests := make(chan []string, 4096)
		go func() {
			defer close(requests)
			for r := read(c); r != nil; r = read(c) {
				requests <- r
			}
		}()
		s.joined, s.told = false, len(s.log)
		s.play(c, requests)
		c.Close()
		for range requests {
		}
	}
}

// play serves one connection. Before and after it has found an answer it does a few
// things of its own.
func (s *chaos) play(c net.Conn, requests chan []string) {
	for r := range requests {
		s.stir(c)
		answer := s.answer(c, r[2:])
		s.stir(c)
		if r[2] == "history" && !s.calm && s.rng.IntN(8) == 0 {
			s.others(300) // more than is held
			s.tell(c, len(s.log)-s.told)
		}
		write(c, append([]string{"req", r[1]}, answer...)...)
		if s.calm {
			continue
		}
		if s.left--; s.left == 0 {
			s.calm = true
			s.say("bob", "the end")
		} else if s.rng.IntN(20) == 0 {
			return
		}
	}
}

// stir lets others say something, and tells of it, or does not yet.
func (s *chaos) stir(c net.Conn) {
	if s.rng.IntN(3) > 0 {
		return
	}
	for range s.rng.IntN(5) {
		if s.rng.IntN(2) == 0 {
			s.tell(c, s.rng.IntN(len(s.log)-s.told+1))
		} else if !s.calm {
			s.others(1 + s.rng.IntN(3))
		}
	}
}

func (s *chaos) others(lines int) {
	for range lines {
		s.say("bob", fmt.Sprint("bob ", len(s.log)))
	}
}

// tell pushes so many lines.
func (s *chaos) tell(c net.Conn, n int) {
	for ; n > 0; n-- {
		if l := s.log[s.told]; s.joined && l.by != "us" {
			write(c, append([]string{"room", "lobby", l.by}, slices.Delete(l.fields(s.padding), 2, 3)...)...)
		}
		s.told++
	}
}

func (s *chaos) answer(c net.Conn, r []string) []string {
	switch r[0] {
	case "join":
		s.joined = true
	case "history":
		return append([]string{"history"}, s.page(r[2:])...)
	case "say", "post":
		text := r[len(r)-1]
		l := s.posts[r[2]]
		if r[0] == "say" || l == nil {
			l = s.say("us", text)
			s.tell(c, len(s.log)-s.told)
		}
		if r[0] == "post" {
			s.posts[r[2]] = l
		}
		return []string{"ok", l.fields("")[0], ""}
	}
	return []string{"ok"}
}

// page gives a page behind an id, or the latest line.
func (s *chaos) page(args []string) (values []string) {
	if args[0] == "" {
		if len(s.log) > 0 {
			values = s.log[len(s.log)-1].fields(s.padding)
		}
		return values
	}
	after := 0
	if _, seq, err := parley.ParseID(args[1]); err == nil {
		after = int(seq) / 2
	}
	for _, l := range s.log[after:min(len(s.log), after+1+s.rng.IntN(100))] {
		values = append(values, l.fields(s.padding)...)
	}
	return values
}

// Whatever the server does, a program is told of all that was said but for what it said
// itself and knows of, once, in order.
func TestCatchingUp(t *testing.T) {
	for range proof.Size(10, 400, 20000) {
		seed := rand.Uint64()
		t.Run(strconv.FormatUint(seed, 16), func(t *testing.T) { catchUp(t, seed) })
	}
}

func catchUp(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 0))
	s := &chaos{rng: rng, dialed: make(chan net.Conn), posts: map[string]*line{}, left: 50 + rng.IntN(400)}
	slow := rng.IntN(8) == 0
	if slow {
		s.left, s.padding = 120, strings.Repeat("x", 16000) // 300 of them are more than waits for a program
	}
	var serving sync.WaitGroup
	serving.Go(s.serve)
	p := &program{client.Through(t, func(ctx context.Context) (io.ReadWriteCloser, error) {
		ours, theirs := memnet.Pipe(1 << 16)
		select {
		case s.dialed <- theirs:
			return ours, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}, client.Login("us", "x"), client.Quick()), t}
	ctx, cancel := context.WithCancel(within(t))
	must(t, retried(func() error { return p.Follow(ctx, "lobby", "") }))
	var talking sync.WaitGroup
	busy := make(chan struct{})
	known := map[string]bool{} // what we said and know of
	talking.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			if i == 60 {
				close(busy)
			}
			text := fmt.Sprint("us ", i)
			said := func() (client.Receipt, error) { return p.Say(ctx, "lobby", text) }
			if i%2 == 0 {
				said = func() (client.Receipt, error) { return p.Post(ctx, "lobby", "", text) }
			}
			if _, err := said(); err == nil {
				known[text] = true
			}
		}
	})
	if slow {
		<-busy
	}
	var told []string
	for ended := false; !ended; {
		e := await[parley.Said](p)
		text := strings.TrimSuffix(e.Text, s.padding)
		told, ended = append(told, text), text == "the end"
	}
	cancel()
	talking.Wait()
	p.Close()
	close(s.dialed)
	serving.Wait()
	var want []string
	for _, l := range s.log {
		if !known[l.text] {
			want = append(want, l.text)
		}
		if l.text == "the end" {
			break
		}
	}
	for i := range min(len(want), len(told)) {
		if told[i] != want[i] {
			t.Fatalf("seed %x: event %d is %q, want %q", seed, i, told[i], want[i])
		}
	}
	if len(told) != len(want) {
		t.Errorf("seed %x: told %d, want %d", seed, len(told), len(want))
	}
}

// retried does what may be interrupted until it is not.
func retried(f func() error) (err error) {
	var lost *client.ConnError
	for err = f(); errors.As(err, &lost); {
		err = f()
	}
	return err
}
