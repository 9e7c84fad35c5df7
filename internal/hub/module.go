package hub

import (
	"context"

	"github.com/parley-chat/parley"
)

// Module finds the account of a module, or makes it: one without a password, as
// which nobody can log in. It waits for the disk. CodeNameTaken when somebody
// registered the name, or is a guest of that name; CodeInvalidName when it looks
// like another.
func (h *Hub) Module(ctx context.Context, called string) (parley.User, error) {
	name, err := parley.ParseUserName(called)
	if err != nil {
		return parley.User{}, err
	}
	a, found, err := h.account(ctx, name)
	switch {
	case err != nil:
		return parley.User{}, err
	case found && a.Hash != "":
		return parley.User{}, parley.Errorf(parley.CodeNameTaken, "somebody registered the name %s; give the module another", name)
	case found:
		return a.User, nil
	}
	claim, err := (&Session{hub: h}).claim(name)
	if err != nil {
		return parley.User{}, err
	}
	defer h.freeHeld(claim)
	a = Account{User: parley.User{Name: name}}
	err = h.journal.do(ctx, &change{store: func(tx Tx) error { return tx.CreateAccount(&a) }})
	return a.User, err
}

// AttachModule makes a session that speaks as a module and stays that.
// CodeTooMany, CodeNameTaken.
func (h *Hub) AttachModule(sink Sink, dialect *Dialect, module parley.User) (*Session, error) {
	s := h.Attach(sink, dialect)
	s.module = true // before anybody can find it
	err := s.become(func() (*user, error) {
		if u := h.names.byKey[module.Name.Key()]; u != nil && u.ID == module.ID {
			return u, nil
		}
		u := &user{User: module, module: true}
		return u, h.names.hold(u)
	})
	return s, err
}
