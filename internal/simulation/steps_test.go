package simulation

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/parley-chat/parley/internal/proof"
)

// step does one thing.
func (c *client) step() {
	room := roomNames[c.rng.IntN(len(roomNames))]
	switch c.rng.IntN(17) {
	case 0, 1, 2:
		c.join(room)
	case 3:
		c.leave(room)
	case 4, 5, 6, 7:
		c.one()
	case 8, 9, 10:
		c.burst(func(wait func()) { wait() })
	case 11:
		c.history(room)
	case 12:
		c.ask(room)
	case 13:
		if c.text != nil && c.account {
			_, err := c.text.Do("new", room)
			c.said("makes %s", err, room)
		}
	case 14:
		pass(upTo(c.rng, 5*time.Second))
	case 15:
		if c.rng.IntN(10) == 0 {
			pass(upTo(c.rng, 3*time.Hour)) // longer than a session may be silent
		}
	case 16:
		c.askSomebody()
	}
}

// join comes into a room.
func (c *client) join(room string) {
	c.turn <- struct{}{}
	defer func() { <-c.turn }()
	if c.world.isBarred(c.user, room) {
		return
	}
	if c.world.together && c.greet() != nil {
		return // what is on its way from before another session put it out would be taken for a leak
	}
	err := c.Join(room)
	c.said("joins %s", err, room)
	if err == nil {
		c.comeIn(room)
	}
}

// greet is a round trip: all that was on its way to the session has come.
func (c *client) greet() error {
	if c.text == nil {
		return c.speaker.(*proof.Line).Do("hello")
	}
	_, err := c.text.Do("whoami")
	return err
}

// leave takes the user out of a room, with all its sessions. None of them asks
// to come in meanwhile. When nobody knows whether it was done, and when it will
// be, none of them ever does again.
func (c *client) leave(room string) {
	if c.text == nil && c.account {
		return // the refusal of a full disk looks like an answer
	}
	c.turn <- struct{}{}
	defer func() { <-c.turn }()
	others := c.world.sessionsOf(c.user, c.name)
	if c.world.isBarred(c.user, room) || len(others) > 0 && !c.world.together {
		return
	}
	for _, session := range others {
		c.world.log.Leave(session, room) // from now on it need not be told
	}
	c.goOut(room)
	err := c.Leave(room)
	c.said("leaves %s", err, room)
	for _, session := range others {
		if err == nil {
			c.world.log.Put(session, room)
		}
	}
	if errors.Is(err, proof.ErrOver) {
		c.world.bar(c.user, room)
	}
}

// reply is a post under way.
type reply struct {
	*proof.Reply
	what  string
	as    saying // with an id: may be repeated
	visit *visit // in which it was said, if any
}

// one says one thing and waits.
func (c *client) one() { c.settle(c.say()) }

// burst says some things without waiting, and then what is given does the rest;
// it may wait for the answers. It counts those that did not come.
func (c *client) burst(then func(wait func()), unanswered ...*int) {
	var all []reply
	for range 1 + c.rng.IntN(8) {
		all = append(all, c.say())
	}
	wait := func() {
		for _, r := range all {
			if !c.settle(r) && len(unanswered) > 0 {
				*unanswered[0]++
			}
		}
	}
	if then != nil {
		then(wait)
		return
	}
	c.Close()
	wait()
}

// say begins a post of some kind.
func (c *client) say() reply {
	c.texts++
	text := fmt.Sprintf("%d-%d", c.n, c.texts)
	text += strings.Repeat("x", c.rng.IntN(c.world.weather.filler))
	room := roomNames[c.rng.IntN(2)]
	visit := c.visits[room]
	short := text[:min(len(text), 12)]
	c.world.count(func(s *stats) { s.posts++ })
	kind := c.rng.IntN(4)
	if kind == 0 && len(c.others) > 0 {
		to := c.others[c.rng.IntN(len(c.others))]
		if c.text != nil && c.account && slices.Contains(accountNames, to) {
			return c.post("@"+to, text)
		}
		return reply{Reply: c.Tell(to, text), what: "tells " + to + " " + short}
	}
	if visit != nil {
		visit.own[text] = true
	}
	if kind == 1 && c.text != nil && c.account {
		r := c.post(room, text)
		r.visit = visit
		return r
	}
	return reply{Reply: c.Say(room, text), what: "says in " + room + " " + short, visit: visit}
}

// post says something to a room, or to "@user", under a client id.
func (c *client) post(to, text string) reply {
	as := saying{to, fmt.Sprintf("id %d-%d", c.n, c.texts), text}
	return reply{Reply: c.text.Post(to, as.id, text), what: "posts to " + to + " " + as.id, as: as}
}

// settle waits for an answer. What may be repeated and was not answered, or was
// not possible, will be.
func (c *client) settle(r reply) (answered bool) {
	answer, err := r.Wait()
	if err == nil && r.visit != nil {
		r.visit.acked = append(r.visit.acked, answer[1])
	}
	c.said("%s", err, r.what)
	if errors.Is(err, proof.ErrOver) {
		c.world.count(func(s *stats) { s.unknown++ })
	}
	if err != nil && r.as.id != "" {
		c.unsure = append(c.unsure, r.as)
	}
	return !errors.Is(err, proof.ErrOver)
}

// repeat says again what may not have been said.
func (c *client) repeat() {
	if c.text == nil {
		return
	}
	var all []reply
	for _, as := range c.unsure {
		all = append(all, reply{Reply: c.text.Post(as.to, as.id, as.text), what: "repeats " + as.id, as: as})
		c.world.count(func(s *stats) { s.repeated++ })
	}
	c.unsure = nil
	for _, r := range all {
		c.settle(r)
	}
}

// history reads a room, or what was said with another user.
func (c *client) history(room string) {
	if c.text == nil {
		return
	}
	if len(c.others) > 0 && c.account && c.rng.IntN(3) == 0 {
		other := c.others[c.rng.IntN(len(c.others))]
		if slices.Contains(accountNames, other) {
			room = proof.Pair(c.user, other)
		}
	}
	_, err := c.text.History(room, "")
	c.said("reads %s", err, room)
}

// questions and how their answers begin.
var questions = []struct {
	ask  []string
	head string
}{
	{[]string{"whoami"}, "user"},
	{[]string{"users"}, "users"},
	{[]string{"rooms"}, "rooms"},
	{[]string{"members", "lobby"}, "members"},
	{[]string{"topic", "lobby"}, "topic"},
}

// ask asks something. An answer that belongs to another question is out of order.
func (c *client) ask(room string) {
	if c.text == nil {
		c.said("says hello", c.greet())
		return
	}
	if c.rng.IntN(3) == 0 {
		_, err := c.text.Do("topic", room, "of "+c.user)
		c.said("sets the topic of %s", err, room)
		return
	}
	if c.rng.IntN(4) == 0 {
		c.said("wants copies", c.text.Copies())
		return
	}
	q := questions[c.rng.IntN(len(questions))]
	answer, err := c.text.Do(q.ask...)
	c.said("asks %s", err, q.ask[0])
	if err == nil && answer[0] != q.head {
		c.world.fault("%s asked %q and was answered %q", c.user, q.ask, answer)
	}
}
