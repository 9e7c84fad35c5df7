package hub_test

import (
	"testing"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/hub"
)

// module is a session of a module.
func (w *world) module(name string) *actor {
	w.t.Helper()
	user, err := w.hub.Module(w.t.Context(), name)
	w.ok(err)
	in := &inbox{}
	s, err := w.hub.AttachModule(in, words, user)
	w.ok(err)
	return &actor{Session: s, inbox: in, w: w}
}

// roomVerbs are what a session can do with a room, but to leave it.
func roomVerbs(a *actor) map[string]func() error {
	ctx := a.w.t.Context()
	outcome := func(all []hub.Outcome, err error) error {
		if err == nil {
			err = all[0].Err
		}
		return err
	}
	return map[string]func() error{
		"new":     func() error { return a.NewRoom(ctx, "den") },
		"join":    func() error { return outcome(a.Join(ctx, "lobby")) },
		"say":     func() error { _, err := a.post(hub.Draft{To: "lobby", Text: "x"}); return err },
		"topic":   func() error { _, err := a.Topic("lobby"); return err },
		"members": func() error { _, err := a.Members("lobby", ""); return err },
		"history": func() error { _, err := a.History(ctx, "lobby", hub.Page{Limit: 1}); return err },
	}
}

// A module uses rooms when that was granted, and neither before nor after.
func TestModuleNeedsRooms(t *testing.T) {
	w := newWorld(t)
	dicer, account := w.module("dicer"), w.account("dicer2")
	if dicer.May(hub.Rooms) || !account.May(hub.Rooms) || !dicer.May(hub.Provide) || account.May(hub.Provide) || w.attach().May(hub.Rooms) {
		t.Error("at first a module may provide, an account use rooms, and nothing else")
	}
	w.ok(dicer.Provide(dice))
	refused := func(when string) {
		t.Helper()
		for name, verb := range roomVerbs(dicer) {
			if err := verb(); err == nil {
				t.Errorf("%s: %s is done", when, name)
			} else {
				w.refused(err, parley.CodeForbidden)
			}
		}
		w.refused(dicer.SetTopic(t.Context(), "lobby", "x"), parley.CodeForbidden)
	}
	refused("without rooms")
	w.hub.Grant(hub.Grants{Accounts: map[string]hub.Rights{"dicer": hub.Admin}, Modules: map[string]hub.Rights{"dicer": hub.Admin}})
	refused("with admin alone")
	w.hub.Grant(hub.Grants{Accounts: map[string]hub.Rights{"dicer": hub.Rooms}, Modules: map[string]hub.Rights{"dicer": hub.Rooms}})
	for _, name := range []string{"new", "join", "say", "topic", "members", "history"} {
		if err := roomVerbs(dicer)[name](); err != nil {
			t.Errorf("with rooms: %s: %v", name, err)
		}
	}
	w.hub.Grant(hub.Grants{})
	refused("when they are taken back")
	if err := account.NewRoom(t.Context(), "other"); err != nil {
		t.Errorf("an account needs no right for rooms: %v", err)
	}
}

// A module stays who it is, and nobody else becomes it.
func TestModuleKeepsItsName(t *testing.T) {
	w := newWorld(t)
	w.account("alice")
	ctx := t.Context()
	for _, when := range []string{"for the first time", "again"} {
		dicer := w.module("dicer")
		w.refused(dicer.Guest(ctx, "gus"), parley.CodeForbidden)
		w.refused(dicer.Login(ctx, "alice", "secret"), parley.CodeForbidden)
		w.refused(dicer.Register(ctx, "dora", "secret"), parley.CodeForbidden)
		w.refused(dicer.Logout(), parley.CodeForbidden)
		w.refused(dicer.SetPassword(ctx, "", "secret"), parley.CodeWrongUserOrPassword)
		if u, named := dicer.User(); !named || u.Name.String() != "dicer" || !u.IsAccount() {
			t.Errorf("%s: the module is %v", when, u)
		}
		if list := shownNames(w.hub.Users("")); len(list) != 1 {
			t.Errorf("%s: users are %q, want alice alone", when, list)
		}
		for range 2 { // while the module is there, and when it is away
			mallory := w.attach()
			for _, password := range []string{"", "secret", "dicer"} {
				w.refused(mallory.Login(ctx, "dicer", password), parley.CodeWrongUserOrPassword)
			}
			w.refused(mallory.Guest(ctx, "Dicer"), parley.CodeNameTaken)
			w.refused(mallory.Register(ctx, "DICER", "secret"), parley.CodeNameTaken)
			dicer.End("")
			dicer = w.module("dicer") // End is called once
		}
		dicer.End("")
	}
	_, err := w.hub.Module(ctx, "alice")
	w.refused(err, parley.CodeNameTaken)
	w.guest("gus")
	_, err = w.hub.Module(ctx, "gus")
	w.refused(err, parley.CodeNameTaken)
}

// What a module tells, and is told, is kept as between any two accounts.
func TestModuleTellsAndIsTold(t *testing.T) {
	w := newWorld(t)
	dicer, alice := w.module("dicer"), w.account("alice")
	tell := func(from *actor, to, text string) {
		t.Helper()
		if r, err := from.post(hub.Draft{To: to, Private: true, Text: text}); err != nil || r.Message.Seq == 0 {
			t.Errorf("tell %s: %v, %v; want it kept", to, r, err)
		}
	}
	tell(dicer, "alice", "one")
	alice.hears("told dicer one")
	alice.End("")
	tell(dicer, "alice", "two")
	alice = w.account("alice")
	tell(alice, "dicer", "three")
	dicer.hears("told alice three")
	dicer.End("")
	tell(alice, "dicer", "four")
	dicer = w.module("dicer")
	for reader, with := range map[*actor]string{dicer: "@alice", alice: "@dicer"} {
		history, err := reader.History(t.Context(), with, hub.Page{Limit: 10})
		if err != nil || len(history) != 4 || history[1].Text != "two" || history[3].SenderName != "alice" {
			t.Errorf("history of %s: %v, %v; want all four", with, history, err)
		}
	}
}
