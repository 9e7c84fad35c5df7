package main

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/parley-chat/parley/internal/proof"
)

// crew is the clients of one life of a server. They work until it is gone.
type crew struct {
	*harbor
	boarding sync.WaitGroup
	work     sync.WaitGroup
	ready    chan struct{} // closed when all have come
	tick     chan struct{} // size 1: it is time for the listeners to ask

	registered chan struct{} // closed when an account was made, or was not

	mu  sync.Mutex
	all []seaman
}

// seaman is one client.
type seaman struct {
	session string
	why     func() string
}

// board starts the clients. They end with the server; live waits for them.
func (c *crew) board() {
	jobs := []func(boarded func()) error{
		func(boarded func()) error { return c.founder.found(c, boarded) },
		func(boarded func()) error { return c.founder.register(c, boarded) },
		func(boarded func()) error { return c.listenText("ear", "", boarded) },
		func(boarded func()) error { return c.listenText("berta listens", "berta", boarded) },
		c.listenLine,
	}
	for _, w := range c.writers {
		jobs = append(jobs, func(boarded func()) error {
			if w.door == "line" {
				return w.line(c, boarded)
			}
			return w.text(c, boarded)
		})
	}
	for _, job := range jobs {
		c.boarding.Add(1)
		c.work.Go(func() {
			var once sync.Once
			boarded := func() { once.Do(c.boarding.Done) }
			defer boarded()
			if err := job(boarded); !isEnd(err) {
				c.t.Errorf("life %d: %v", c.lives, err)
			}
		})
	}
	go func() {
		c.boarding.Wait()
		close(c.ready)
	}()
}

// isEnd tells whether an error is what a server that ends may cause.
func isEnd(err error) bool {
	var refusal *proof.Refusal
	return err == nil || errors.Is(err, proof.ErrOver) || errors.As(err, &refusal) && refusal.Type == "unavailable"
}

func (h *harbor) dial(address string) (net.Conn, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, proof.ErrOver // it is gone already
	}
	return conn, conn.SetDeadline(time.Now().Add(time.Minute))
}

func (h *harbor) dialText(name string) (*proof.Text, error) {
	conn, err := h.dial(h.server.text)
	if err != nil {
		return nil, err
	}
	return proof.NewText(h.log, fmt.Sprint(name, "/", h.lives), conn), nil
}

func (c *crew) text(name string) (*proof.Text, error) {
	one, err := c.dialText(name)
	if err == nil {
		c.add(one.Session, one.Why)
	}
	return one, err
}

func (c *crew) line(name string) (*proof.Line, error) {
	conn, err := c.dial(c.server.line)
	if err != nil {
		return nil, err
	}
	one := proof.NewLine(c.log, fmt.Sprint(name, "/", c.lives), conn)
	c.add(one.Session, one.Why)
	return one, nil
}

func (c *crew) add(session string, why func() string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, seaman{session, why})
}

// listenText hears the lobby as a guest, or all that its user is told.
func (c *crew) listenText(name, account string, boarded func()) error {
	one, err := c.text(name)
	if err != nil {
		return err
	}
	defer one.Close()
	if account == "" {
		err = one.Guest(name)
	} else {
		err = one.Login(account, "secret")
	}
	if err != nil {
		return err
	}
	if err := errors.Join(one.Copies(), one.Join("lobby")); err != nil {
		return err
	}
	boarded()
	return c.listen(one.Over(), func() error {
		_, err := one.Do("nop")
		return err
	})
}

func (c *crew) listenLine(boarded func()) error {
	one, err := c.line("lena")
	if err != nil {
		return err
	}
	defer one.Close()
	if err := one.Name("lena", ""); err != nil {
		return err
	}
	if err := one.Join("lobby"); err != nil {
		return err
	}
	boarded()
	return c.listen(one.Over(), func() error { return one.Do("anything?") })
}

// listen asks now and then, so that it is known what must have come.
func (c *crew) listen(over <-chan struct{}, ask func() error) error {
	for {
		select {
		case <-over:
			return nil
		case <-c.tick:
			if err := ask(); err != nil {
				return err
			}
		}
	}
}

// writer says one text after another, several at a time.
type writer struct {
	user, door string
	to         string // whom it tells secrets; empty: nobody
	next       int
	acked      int
	// unsure are posts whose answer never came; they are posted again, under
	// their client ids, in the next life.
	unsure []parcel
}

// parcel is one text on its way.
type parcel struct {
	room, to, text string
	id             string // empty: it is said once and never again
	reply          *proof.Reply
}

const (
	window = 8    // of posts under way
	most   = 1000 // posts of a writer in one life
)

// pack makes the next text.
func (w *writer) pack() parcel {
	w.next++
	p := parcel{room: "lobby", text: fmt.Sprintf("%s-%d", w.user, w.next)}
	if w.to != "" && w.next%5 == 0 {
		p.room, p.to = "", w.to
	}
	if w.door == "text" && w.next%3 > 0 {
		p.id = p.text
	}
	return p
}

// write posts through send until the server is gone.
func (w *writer) write(c *crew, send func(parcel) *proof.Reply) error {
	again := w.unsure
	var flying []parcel
	for sent := 0; sent < most || len(flying) > 0; {
		for ; len(flying) < window && sent < most; sent++ {
			var p parcel
			if len(again) > 0 {
				p, again = again[0], again[1:]
			} else {
				p = w.pack()
			}
			p.reply = send(p)
			flying = append(flying, p)
		}
		if _, err := flying[0].reply.Wait(); err != nil {
			w.unsure = slices.DeleteFunc(append(flying, again...), func(p parcel) bool { return p.id == "" })
			return err
		}
		flying = flying[1:]
		if w.acked++; w.acked%10 == 0 {
			select {
			case c.tick <- struct{}{}:
			default:
			}
		}
	}
	w.unsure = again
	return nil
}

func (w *writer) text(c *crew, boarded func()) error {
	one, err := c.text(w.user)
	if err != nil {
		return err
	}
	defer one.Close()
	if err := one.Login(w.user, "secret"); err != nil {
		return err
	}
	if err := errors.Join(one.Copies(), one.Join("lobby")); err != nil {
		return err
	}
	boarded()
	if w.user == reader {
		if err := c.read(one); err != nil {
			return err
		}
	}
	err = w.write(c, func(p parcel) *proof.Reply {
		switch {
		case p.id != "" && p.to != "":
			return one.Post("@"+p.to, p.id, p.text)
		case p.id != "":
			return one.Post(p.room, p.id, p.text)
		case p.to != "":
			return one.Tell(p.to, p.text)
		}
		return one.Say(p.room, p.text)
	})
	if err == nil {
		<-one.Over()
	}
	return err
}

func (w *writer) line(c *crew, boarded func()) error {
	one, err := c.line(w.user)
	if err != nil {
		return err
	}
	defer one.Close()
	password := ""
	if w.to != "" {
		password = "secret" // secrets are kept between accounts
	}
	if err := one.Name(w.user, password); err != nil {
		return err
	}
	boarded()
	err = w.write(c, func(p parcel) *proof.Reply {
		if p.to != "" {
			return one.Tell(p.to, p.text)
		}
		return one.Say(p.room, p.text)
	})
	if err == nil {
		<-one.Over()
	}
	return err
}

// founder makes rooms, accounts, memberships and topics, and finds them again.
type founder struct {
	t      *testing.T
	member map[string]membership
	topics map[string][]string // by room: what it may be now
	facts  int

	mu       sync.Mutex
	accounts []string // registered beside everything else
}

type membership int

const (
	unknown membership = iota
	isIn
	isOut
)

// register makes an account while the others work: its hash takes its time.
func (f *founder) register(c *crew, boarded func()) error {
	defer close(c.registered)
	one, err := c.text("clerk")
	if err != nil {
		return err
	}
	boarded()
	account := fmt.Sprint("reg-", c.lives)
	if _, err := one.Do("register", account, "secret"); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.accounts = append(f.accounts, account)
	return nil // the connection ends with the server
}

func (f *founder) found(c *crew, boarded func()) error {
	one, err := c.text("fred")
	if err != nil {
		return err
	}
	defer one.Close()
	if err := one.Login("fred", "secret"); err != nil {
		return err
	}
	if err := f.check(one); err != nil {
		return err
	}
	room, before := fmt.Sprint("room-", c.lives), fmt.Sprint("room-", c.lives-1)
	if _, err := one.Do("new", room); err != nil {
		return err
	}
	f.topics[room] = []string{""}
	f.facts++
	if err := f.move(one.Join, room, isIn); err != nil {
		return err
	}
	boarded() // some facts are certain then
	if f.member[before] == isIn {
		if err := f.move(one.Leave, before, isOut); err != nil {
			return err
		}
	}
	for n := range most {
		topic := fmt.Sprint("topic ", n)
		f.topics[room] = append(f.topics[room], topic)
		if _, err := one.Do("topic", room, topic); err != nil {
			return err
		}
		f.topics[room] = []string{topic}
		f.facts++
	}
	<-one.Over()
	return nil
}

// move joins or leaves; without an answer nobody knows.
func (f *founder) move(do func(string) error, room string, then membership) error {
	f.member[room] = unknown
	err := do(room)
	if err == nil {
		f.member[room] = then
		f.facts++
	}
	return err
}

// check wants everything there that was acknowledged.
func (f *founder) check(one *proof.Text) error {
	f.mu.Lock()
	accounts := slices.Clone(f.accounts)
	f.mu.Unlock()
	for _, name := range accounts {
		_, err := one.Do("guest", name)
		var refusal *proof.Refusal
		switch {
		case err == nil:
			return fmt.Errorf("the account %s was acknowledged and is lost", name)
		case !errors.As(err, &refusal) || refusal.Type != "name_taken":
			return err
		}
	}
	mine, err := one.Do("myrooms")
	if err != nil {
		return err
	}
	for room, was := range f.member {
		if is := slices.Contains(mine[1:], room); was == isIn && !is || was == isOut && is {
			f.t.Errorf("fred is a member of %s: %v; something else was acknowledged", room, is)
		}
	}
	for room, may := range f.topics {
		got, err := one.Do("topic", room)
		if isEnd(err) && err != nil {
			return err
		}
		if err != nil || !slices.Contains(may, got[1]) {
			f.t.Errorf("the topic of %s is %q, %v; want one of %q", room, got, err, may)
			continue
		}
		f.topics[room] = []string{got[1]}
	}
	return nil
}
