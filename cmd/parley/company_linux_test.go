package main

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-chat/parley/internal/proof"
)

// company is the established sessions of a server: they talk in rooms all the
// while, and all that they are told is written down and judged.
type company struct {
	t      *testing.T
	log    *proof.Log
	server *child
	every  time.Duration
	all    []talker
	ears   []*textClient
	stop   chan struct{}
	work   sync.WaitGroup // the talkers; hush waits
	heard  sync.WaitGroup // the listeners; hush waits

	mu             sync.Mutex
	said           int
	answered, told []time.Duration // since the last take
}

// talker is a session that says things: one of either door.
type talker interface {
	Join(room string) error
	Say(room, text string) *proof.Reply
	Why() string
	Close()
}

// The company: in each room talkers of both doors and one who only listens.
const (
	companyRooms = 4
	textTalkers  = 3 // in each room
	lineTalkers  = 1
)

// establish lets a company come and begin to talk: each talker says a text every
// so often.
func establish(t *testing.T, server *child, every time.Duration) *company {
	t.Helper()
	c := &company{t: t, log: &proof.Log{}, server: server, every: every, stop: make(chan struct{})}
	founder := guest(t, server.text, "founder")
	defer founder.conn.Close()
	for n := range companyRooms {
		room := fmt.Sprint("hall", n)
		founder.must(t, "new", room)
		for i := range textTalkers {
			c.add(room, fmt.Sprintf("text%d%d", n, i), c.text)
		}
		for i := range lineTalkers {
			c.add(room, fmt.Sprintf("line%d%d", n, i), c.line)
		}
		ear := guest(t, server.text, fmt.Sprint("ear", n))
		ear.must(t, "join", room)
		c.ears = append(c.ears, ear)
		c.heard.Go(func() { c.listen(ear) })
	}
	return c
}

// add lets a talker come in by a door.
func (c *company) add(room, user string, enter func(user string) (talker, error)) {
	c.t.Helper()
	one, err := enter(user)
	if err == nil {
		err = one.Join(room)
	}
	if err != nil {
		c.t.Fatalf("%s: %v", user, err)
	}
	c.all = append(c.all, one)
	c.work.Go(func() { c.talk(one, user, room) })
}

func dialDoor(address string) (net.Conn, error) {
	return net.DialTimeout("tcp", address, 5*time.Second)
}

func (c *company) text(user string) (talker, error) {
	conn, err := dialDoor(c.server.text)
	if err != nil {
		return nil, err
	}
	one := proof.NewText(c.log, user, conn)
	return one, one.Guest(user)
}

func (c *company) line(user string) (talker, error) {
	conn, err := dialDoor(c.server.line)
	if err != nil {
		return nil, err
	}
	one := proof.NewLine(c.log, user, conn)
	return one, one.Name(user, "")
}

// talk says one text after another until the company is told to stop.
func (c *company) talk(one talker, user, room string) {
	for n, tick := 1, time.Tick(c.every); ; n++ {
		select {
		case <-c.stop:
			return
		case <-tick:
		}
		begun := time.Now()
		text := fmt.Sprintf("%s %d %d", user, n, begun.UnixNano())
		if _, err := one.Say(room, text).Wait(); err != nil {
			c.t.Errorf("%s lost its session at text %d: %v; the server's last words were %q", user, n, err, one.Why())
			return
		}
		c.mu.Lock()
		c.said++
		c.answered = append(c.answered, time.Since(begun))
		c.mu.Unlock()
	}
}

// listen takes the time from the saying of each text to its hearing, and wants
// each speaker's texts one after the other.
func (c *company) listen(ear *textClient) {
	next := map[string]int{}
	for {
		fields, err := ear.read()
		if err != nil {
			select {
			case <-c.stop:
			default:
				c.t.Errorf("a listener lost its session: %v", err)
			}
			return
		}
		if fields[0] != "room" {
			continue
		}
		words := strings.Fields(fields[5])
		number, _ := strconv.Atoi(words[1])
		at, _ := strconv.ParseInt(words[2], 10, 64)
		if last := next[words[0]]; last > 0 && number != last+1 {
			c.t.Errorf("behind text %d of %s a listener was told %d", last, words[0], number)
		}
		next[words[0]] = number
		c.mu.Lock()
		c.told = append(c.told, time.Since(time.Unix(0, at)))
		c.mu.Unlock()
	}
}

// pace is how long the texts of some time took.
type pace struct {
	texts         int
	answer, heard time.Duration // of 99 in a hundred: until the speaker is answered, and until others hear it
}

func (p pace) String() string {
	return fmt.Sprintf("%d texts, p99 answered %v, heard %v", p.texts, p.answer.Round(10*time.Microsecond), p.heard.Round(10*time.Microsecond))
}

// take gives the pace since the last call.
func (c *company) take() pace {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := pace{texts: len(c.answered), answer: p99(c.answered), heard: p99(c.told)}
	c.answered, c.told = nil, nil
	return p
}

// paceFor gives the pace of some time.
func (c *company) paceFor(d time.Duration) pace {
	c.take()
	<-time.After(d)
	return c.take()
}

func p99(all []time.Duration) time.Duration {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[(len(all)-1)*99/100]
}

// texts tells how many were said and acknowledged so far.
func (c *company) texts() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.said
}

// hush ends the talking. By then everybody has been told all that it must be.
func (c *company) hush() {
	c.t.Helper()
	close(c.stop)
	c.work.Wait()
	for _, one := range c.all {
		var err error
		switch one := one.(type) {
		case *proof.Text:
			_, err = one.Do("nop")
		case *proof.Line:
			err = one.Do("is that all?")
		}
		if err != nil {
			c.t.Errorf("a session was lost: %v; the server's last words were %q", err, one.Why())
		}
		one.Close()
	}
	for _, ear := range c.ears {
		ear.conn.Close()
	}
	c.heard.Wait()
}

// judge compares what everybody saw with the history of a server on the same data.
func (c *company) judge(server *child) {
	c.t.Helper()
	conn, err := dialDoor(server.text)
	if err != nil {
		c.t.Fatal(err)
	}
	reader := proof.NewText(c.log, "judge", conn)
	defer reader.Close()
	err = reader.Guest("judge")
	for n := range companyRooms {
		_, e := reader.History(fmt.Sprint("hall", n), "")
		err = errors.Join(err, e)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	if found := c.log.Check(); len(found) > 0 {
		c.t.Error(proof.Report(found))
	}
	if c.texts() == 0 {
		c.t.Error("nothing was said: this proves nothing")
	}
}
