package hub

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/wire/linewire"
)

// Draft is something said, on its way in: to a room or to a user.
type Draft struct {
	To       string   // the room or the user, as the client called it
	Private  bool     // To is a user
	Text     string   // what is said
	Command  string   // instead of Text: a command for the user's programs
	Args     []string // of Command
	ClientID string   // the client's own name for the message, or empty
}

// Receipt is what became of a Draft.
type Receipt struct {
	To      parley.Name    // the room or user, as registered
	Message parley.Message // as it was kept; Seq 0: only passed on
}

// Size tells what a draft weighs in the journal, in bytes.
func (d *Draft) Size() int {
	size := len(d.To) + len(d.Text) + len(d.Command) + len(d.ClientID)
	for _, arg := range d.Args {
		size += len(arg)
	}
	return size
}

// Post says something. It never waits. What needs no journal is done at once,
// but only if the session is alone with it: no earlier post of its is
// unanswered. Anything else comes back as a Pending, and must be queued before
// anything else is posted. Posts of one session may be under way together; no
// other verb may begin until they are done.
func (s *Session) Post(d Draft, alone bool) (r Receipt, later *Pending, err error) {
	p := &post{session: s, draft: d}
	p.resolve()
	if alone && !p.needsJournal() {
		p.deliver()
		r, err = p.receipt()
		return r, nil, err
	}
	return Receipt{}, (*Pending)(p), nil
}

// Pending is a draft that needs the journal.
type Pending post

// Queue leaves the draft to the journal, which begins with it at the next
// Session.Flush: drafts that are there together share a commit. Done is called
// once, when it is durable and delivered, in the order of the posts: from the
// journal's goroutine, or from Queue when that has ended. It must not wait. The
// error is a *parley.Error, or ErrUnknown.
func (p *Pending) Queue(done func(Receipt, error)) {
	p.done = done
	p.session.hub.journal.queue((*post)(p))
}

// post is a Draft with what is known of it.
type post struct {
	session *Session
	draft   Draft
	done    func(Receipt, error)

	from     *user
	room     *room // where to, or nil
	receiver parley.User
	unknown  bool // the receiver is not online: the store must be asked
	message  parley.Message
	record   Record // of the message, for the store
	repeated bool   // a client id that was there before: nothing is said again
	err      error
}

// resolve decides whether the draft is allowed, and where it goes, by what is
// true at this instant.
func (p *post) resolve() {
	p.err, p.room, p.unknown = nil, nil, false
	p.from = p.session.user.Load()
	if p.from == nil {
		p.err = parley.ErrNotLoggedIn
		return
	}
	p.message = parley.Message{Kind: parley.KindMessage, Sender: p.from.ID, SenderName: p.from.Name.String(), Text: p.draft.Text}
	if p.draft.Command == "" {
		if p.err = p.session.hub.checkText(p.draft); p.err != nil {
			return
		}
	}
	if p.draft.Private {
		p.resolveUser()
	} else {
		p.resolveRoom()
	}
}

func (p *post) resolveRoom() {
	p.room = p.session.hub.room(p.draft.To)
	switch {
	case !p.session.May(Rooms):
		p.err = errNoRooms
	case p.room == nil || p.room.isDeleted():
		p.err = errNoRoom(p.draft.To)
	case !p.room.open && !p.room.has(p.session):
		p.err = parley.Errorf(parley.CodeNotAMember, "only who is in the room %s may speak there; join it", p.room.name)
	default:
		p.message.Conversation = p.room.id
	}
}

func (p *post) resolveUser() {
	h := p.session.hub
	u, name := h.online(p.draft.To)
	switch {
	case u != nil:
		p.receiver = u.User
	case name.IsZero():
		p.err = errNoUser(p.draft.To)
	default:
		p.receiver = parley.User{Name: name}
		p.unknown = true
	}
}

// checkText holds a text and a client id against the limits.
func (h *Hub) checkText(d Draft) error {
	switch {
	case len(d.Text) > h.limits.Text:
		return parley.Errorf(parley.CodeRequestTooLong, "a text has at most %d bytes", h.limits.Text)
	case !linewire.HasText(d.Text):
		return parley.Errorf(parley.CodeSyntax, "a text needs more than line breaks")
	case len(d.ClientID) > h.limits.ClientID:
		return parley.Errorf(parley.CodeSyntax, "a client id has 1 to %d bytes", h.limits.ClientID)
	}
	return nil
}

// kept tells whether the message goes into the store: said in a room, or
// between two accounts. What a guest says or hears in private never does.
func (p *post) kept() bool {
	if p.err != nil || p.draft.Command != "" {
		return false
	}
	return p.room != nil || p.from.IsAccount() && p.receiver.IsAccount()
}

func (p *post) needsJournal() bool { return p.unknown || p.kept() }

// prepare decides again, when the journal takes the post: who was put out of a
// room meanwhile is refused. It tells whether a transaction is needed.
func (p *post) prepare(ctx context.Context) bool {
	p.resolve()
	if p.err == nil && p.unknown {
		p.lookUp(ctx)
	}
	return p.kept()
}

// lookUp asks the store for a receiver who is not online.
func (p *post) lookUp(ctx context.Context) {
	a, found, err := p.session.hub.account(ctx, p.receiver.Name)
	switch {
	case err != nil:
		p.err = err
	case !found:
		p.err = errNoUser(p.draft.To)
	case p.draft.Command != "" || !p.from.IsAccount():
		p.err = errOffline(a.Name)
	default:
		p.receiver = a.User
	}
}

func errOffline(name parley.Name) *parley.Error {
	return parley.Errorf(parley.CodeUserOffline, "%s is offline; try again later", name)
}

func (p *post) write(tx Tx) error {
	if !p.kept() {
		return nil
	}
	p.record = Record{Message: &p.message}
	if p.room == nil {
		p.record.To = p.receiver.ID
	}
	if p.from.IsAccount() {
		p.record.ClientID = p.draft.ClientID
	}
	repeated, err := tx.Append(&p.record)
	p.repeated = repeated
	return err
}

func (p *post) fail(err error) {
	if p.err == nil {
		p.err = err
	}
}

// publish delivers after the commit: a room's messages join its run.
func (p *post) publish(out *delivery) {
	switch {
	case p.err != nil || p.repeated:
	case p.room != nil:
		out.add(p.room, parley.Said{Room: p.room.name, Message: p.message}, p.session)
	default:
		p.deliver()
	}
}

// deliver gives a private message or a command to the sessions it is for.
func (p *post) deliver() {
	if p.err != nil {
		return
	}
	h := p.session.hub
	if p.message.Time.IsZero() {
		p.message.Time = h.now().Truncate(time.Millisecond)
	}
	if p.draft.Command != "" {
		sent := parley.Sent{From: p.from.Name, Command: p.draft.Command, Args: p.draft.Args}
		if !h.tell(p.receiver, sent, nil) {
			p.err = errOffline(p.receiver.Name)
		}
		return
	}
	h.tell(p.receiver, parley.Told{To: p.receiver.Name, Message: p.message}, nil)
	if p.receiver.ID != p.from.ID && h.hasOther(p.from, p.session) {
		h.tell(p.from.User, parley.ToldCopy{To: p.receiver.Name, Message: p.message}, p.session)
	}
}

// hasOther tells whether a user speaks by any session but this one.
func (h *Hub) hasOther(u *user, s *Session) bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return len(u.sessions) > 1 || len(u.sessions) == 1 && u.sessions[0] != s
}

// tell gives an event to every session of a user but the one that did it, and
// tells whether any was told.
func (h *Hub) tell(to parley.User, e parley.Event, doer *Session) bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	u := h.names.byKey[to.Name.Key()]
	if u == nil || u.ID != to.ID {
		return false
	}
	run := h.newRun()
	run.add(e, doer)
	told := false
	for _, s := range u.sessions {
		told = run.put(s) || told
	}
	return told
}

// receipt is what the client is told. An error that is no refusal is logged
// here, where the post was dispatched, and shown without detail.
func (p *post) receipt() (Receipt, error) {
	to := p.receiver.Name
	if p.room != nil {
		to = p.room.name
	}
	return Receipt{To: to, Message: p.message}, p.session.hub.refusal(p.err, "post")
}

func (p *post) finished() { p.done(p.receipt()) }

func (p *post) size() int { return p.draft.Size() }

// refusal turns a fault into what may be shown of it, and logs it.
func (h *Hub) refusal(err error, doing string) error {
	if err == nil || errors.Is(err, ErrUnknown) {
		return err
	}
	var refusal *parley.Error
	if errors.As(err, &refusal) {
		return refusal
	}
	h.log.Error("a request failed", "doing", doing, "err", strings.TrimSpace(err.Error()))
	return parley.ErrUnhandled
}
