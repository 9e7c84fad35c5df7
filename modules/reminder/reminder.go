// Command reminder is a module that writes back later: an example of the text
// protocol in plain Go.
//
//	remind,10m,the tea is ready    ok,1,2026-11-21T15:30:00Z
//	reminders                      reminders,1,2026-11-21T15:30:00Z,the tea is ready
//	forget,1                       ok
//
// Ten minutes later the caller is told "the tea is ready". It needs the standard
// library alone. Build it with go build; the line for modules.txt:
//
//	reminder /path/to/reminder
//
// It needs no grant. What it has to remember stands in reminders.json in its
// working directory, and is there again when it is started again.
package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	file    = "reminders.json"
	ofUser  = 20   // reminders of one user
	ofAll   = 1000 // reminders
	longest = 366 * 24 * time.Hour
)

type reminder struct {
	N    int
	When time.Time
	Text string // at most 1,000 bytes
}

// book is what is remembered for each user.
type book struct {
	mu    sync.Mutex // main reads, and each reminder has a timer
	of    map[string][]reminder
	last  int    // the latest number
	dirty bool   // the file does not have it yet
	out   []byte // frames that have not left
}

func main() {
	log.SetFlags(0) // the server's log has the time
	b := &book{of: map[string][]reminder{}}
	b.mu.Lock() // what is due waits until the commands are provided
	if err := b.load(); err != nil {
		log.Fatal(err)
	}
	b.send("req", "provide", "provide", "remind", "2", "2", "tells you a text after a while: remind,10m,the tea is ready")
	b.send("req", "provide", "provide", "reminders", "0", "0", "lists your reminders: number, time and text")
	b.send("req", "provide", "provide", "forget", "1", "1", "forgets a reminder: forget,number")
	b.flush()
	b.mu.Unlock()
	in := bufio.NewReaderSize(os.Stdin, 64<<10)
	for {
		fields, err := receive(in)
		if err != nil {
			return // the server closed our input: it wants us to end
		}
		b.mu.Lock()
		b.take(fields)
		if in.Buffered() == 0 || len(b.out) > 64<<10 { // many calls, one write
			b.flush()
		}
		b.mu.Unlock()
	}
}

// take serves one message.
func (b *book) take(fields []string) {
	switch {
	case fields[0] == "call" && len(fields) >= 4:
		b.send(append([]string{"return", fields[1]}, b.call(fields[3], fields[2], fields[4:])...)...)
	case fields[0] == "req" && fields[1] != "provide":
		b.told(fields[1], fields[2:])
	case fields[0] == "req" && fields[2] != "ok":
		log.Fatalf("a command is not provided: %q", fields[2:])
	}
}

// call answers a call. The server counts the arguments, but not when we are asked.
func (b *book) call(user, command string, args []string) []string {
	switch usage := command + " " + strconv.Itoa(len(args)); {
	case user == "":
		return failure("not_logged_in", "log in first, so that you can be told")
	case usage == "remind 2":
		return b.remind(user, args[0], args[1])
	case usage == "forget 1":
		return b.forget(user, args[0])
	case usage == "reminders 0":
		answer := []string{"reminders"}
		for _, r := range b.of[user] {
			answer = append(answer, strconv.Itoa(r.N), r.When.Format(time.RFC3339), r.Text)
		}
		return answer
	}
	return failure("syntax", "usage: remind,10m,text or reminders or forget,number")
}

func (b *book) remind(user, wait, text string) []string {
	d, err := time.ParseDuration(wait)
	all := 0
	for _, list := range b.of {
		all += len(list)
	}
	switch {
	case err != nil || d < time.Second || d > longest:
		return failure("syntax", "the time is 1s to 366 days, written 90s, 10m or 1h30m")
	case strings.Trim(text, "\r\n") == "" || len(text) > 1000:
		return failure("syntax", "the text has 1 to 1000 bytes")
	case all >= ofAll || len(b.of[user]) >= ofUser:
		return failure("too_many", "forget a reminder, or wait for one")
	}
	b.last++
	r := reminder{b.last, time.Now().UTC().Add(d), text}
	b.of[user], b.dirty = append(b.of[user], r), true
	time.AfterFunc(d, func() { b.tell(user, r) })
	return []string{"ok", strconv.Itoa(r.N), r.When.Format(time.RFC3339)}
}

func (b *book) forget(user, n string) []string {
	before := len(b.of[user])
	b.of[user] = slices.DeleteFunc(b.of[user], func(r reminder) bool { return strconv.Itoa(r.N) == n })
	if len(b.of[user]) == before {
		return failure("reminder_not_found", "you have no reminder "+n)
	}
	if before == 1 {
		delete(b.of, user)
	}
	b.dirty = true
	return []string{"ok"}
}

// tell writes to the user, if the reminder was not forgotten meanwhile. It stays in
// the file until the answer is there: better told twice than never.
func (b *book) tell(user string, r reminder) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if slices.Contains(b.of[user], r) {
		b.send("req", user+" "+strconv.Itoa(r.N), "tell", user, r.Text)
		b.flush()
	}
}

// told forgets what was told, or cannot be: a guest, for one, may have left.
func (b *book) told(id string, answer []string) {
	user, n, _ := strings.Cut(id, " ")
	at := slices.IndexFunc(b.of[user], func(r reminder) bool { return strconv.Itoa(r.N) == n })
	if at < 0 {
		return // it was forgotten
	}
	if answer[0] == "error" && answer[2] == "unavailable" { // the server's disk
		r := b.of[user][at]
		time.AfterFunc(time.Minute, func() { b.tell(user, r) })
		return
	}
	b.forget(user, n)
}

func failure(kind, info string) []string { return []string{"error", "nonfatal", kind, info} }

// flush lets frames leave, once the file holds what they promise.
func (b *book) flush() {
	var err error
	if b.dirty {
		err = b.save()
	}
	if err == nil {
		_, err = os.Stdout.Write(b.out)
	}
	if err != nil {
		log.Fatal(err) // the server tells those who wait that it was unhandled
	}
	b.dirty, b.out = false, b.out[:0]
}

func (b *book) save() error {
	data, err := json.Marshal(b.of)
	if err == nil {
		err = os.WriteFile(file+".new", data, 0o600)
	}
	if err == nil {
		err = os.Rename(file+".new", file) // all of it or nothing
	}
	return err
}

func (b *book) load() error {
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // the first start
	}
	if err == nil {
		err = json.Unmarshal(data, &b.of)
	}
	for user, list := range b.of {
		for _, r := range list {
			b.last = max(b.last, r.N)
			time.AfterFunc(time.Until(r.When), func() { b.tell(user, r) })
		}
	}
	return err
}

// send appends a message: a length of four bytes, a null byte, and the fields.
func (b *book) send(fields ...string) {
	at := len(b.out)
	b.out = append(b.out, 0, 0, 0, 0, 0)
	for i, field := range fields {
		if i > 0 {
			b.out = append(b.out, ',')
		}
		for j := range len(field) {
			if field[j] == ',' || field[j] == '\\' {
				b.out = append(b.out, '\\')
			}
			b.out = append(b.out, field[j])
		}
	}
	binary.BigEndian.PutUint32(b.out[at:], uint32(len(b.out)-at-5))
}

// receive waits for a message and gives its fields.
func receive(in *bufio.Reader) ([]string, error) {
	header, err := in.Peek(5)
	if err != nil {
		return nil, err
	}
	data := make([]byte, 5+binary.BigEndian.Uint32(header))
	if _, err := io.ReadFull(in, data); err != nil {
		return nil, err
	}
	fields, field := []string{}, []byte{}
	for i := 5; i < len(data); i++ {
		if data[i] == ',' {
			fields, field = append(fields, string(field)), field[:0]
			continue
		}
		if data[i] == '\\' && i+1 < len(data) {
			i++
		}
		field = append(field, data[i])
	}
	return append(fields, string(field)), nil
}
