package hub

import (
	"context"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/parley-chat/parley"
)

// Guest gives the session an unregistered, unused name until it ends. It
// replaces an earlier identity. CodeInvalidName, CodeNameTaken.
func (s *Session) Guest(ctx context.Context, called string) error {
	if s.module {
		return errIsModule
	}
	name, err := parley.ParseUserName(called)
	if err != nil {
		return err
	}
	h := s.hub
	h.mu.Lock()
	h.lastGuest--
	u := &user{User: parley.User{ID: h.lastGuest, Name: name}}
	if own := s.user.Load(); own != nil && !own.IsAccount() && own.Name.Key() == name.Key() {
		h.mu.Unlock()
		return nil // it has this name already
	}
	err = h.names.hold(u)
	h.mu.Unlock()
	if err != nil {
		return err
	}
	given := false
	defer func() {
		if !given {
			h.freeHeld(u)
		}
	}()
	if err := h.notRegistered(ctx, name); err != nil {
		return err
	}
	err = s.become(func() (*user, error) { return u, nil })
	given = err == nil
	return err
}

// notRegistered refuses a name that an account has, or looks like.
func (h *Hub) notRegistered(ctx context.Context, name parley.Name) error {
	found, err := h.store.Named(ctx, name)
	if err != nil {
		return err
	}
	for _, a := range found {
		if a.Name.Key() == name.Key() {
			return parley.Errorf(parley.CodeNameTaken, "the name %s is registered; log in, or choose another", name)
		}
	}
	if len(found) > 0 {
		return errLookAlike(name)
	}
	return nil
}

func (h *Hub) freeHeld(u *user) {
	h.mu.Lock()
	h.names.free(u)
	h.mu.Unlock()
}

// Register makes an account; it does not log in. A guest may register the name
// it speaks under. CodeNameTooShort, CodeInvalidName, CodeNameTaken,
// CodeWeakPassword, CodeSyntax.
func (s *Session) Register(ctx context.Context, called, password string) error {
	h := s.hub
	if s.module {
		return errIsModule
	}
	if utf8.RuneCountInString(norm.NFC.String(called)) < h.limits.AccountName {
		return parley.Errorf(parley.CodeNameTooShort, "a name has at least %d characters", h.limits.AccountName)
	}
	name, err := parley.ParseUserName(called)
	if err != nil {
		return err
	}
	if err := h.checkNewPassword(password); err != nil {
		return err
	}
	// The work is done before we tell whether the name is taken, so that
	// asking for names costs as much as logging in.
	hash, err := h.passwords.hash(ctx, password)
	if err != nil {
		return err
	}
	claim, err := s.claim(name)
	if err != nil {
		return err
	}
	if claim != nil {
		defer h.freeHeld(claim)
	}
	a := Account{User: parley.User{Name: name}, Hash: hash}
	return h.journal.do(ctx, &change{store: func(tx Tx) error { return tx.CreateAccount(&a) }})
}

// claim holds a name while it is registered. It is nil when the session holds
// the name already, as a guest.
func (s *Session) claim(name parley.Name) (*user, error) {
	h := s.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	if own := s.user.Load(); own != nil && own.Name.Key() == name.Key() {
		return nil, nil
	}
	u := &user{User: parley.User{Name: name}}
	if err := h.names.hold(u); err != nil {
		return nil, err
	}
	return u, nil
}

func (h *Hub) checkNewPassword(password string) error {
	switch n := len(password); {
	case n == 0 || n > h.limits.Password:
		return parley.Errorf(parley.CodeSyntax, "a password has 1 to %d bytes", h.limits.Password)
	case n < h.weak:
		return parley.Errorf(parley.CodeWeakPassword, "choose a password of at least %d bytes", h.weak)
	}
	return nil
}

// Login makes the session speak as an account, in place of an earlier
// identity, which it keeps if this fails. ErrWrongUserOrPassword, with the same
// work, whether the user is unknown or the password wrong.
func (s *Session) Login(ctx context.Context, called, password string) error {
	h := s.hub
	if s.module {
		return errIsModule
	}
	a, err := h.prove(ctx, called, password)
	if err != nil {
		return err
	}
	h.evictGuest(a.User)
	return s.become(func() (*user, error) {
		if u := h.names.byKey[a.Name.Key()]; u != nil && u.ID == a.ID {
			return u, nil
		}
		u := &user{User: a.User}
		return u, h.names.hold(u)
	})
}

// evictGuest takes an account's name from a guest that registered it and still
// speaks under it: it belongs to who can prove it.
func (h *Hub) evictGuest(account parley.User) {
	h.mu.Lock()
	u := h.names.byKey[account.Name.Key()]
	if u == nil || u.ID == account.ID {
		h.mu.Unlock()
		return
	}
	h.names.free(u)
	sessions := u.sessions
	h.mu.Unlock()
	for _, s := range sessions {
		s.release("the name was logged in")
	}
}

// prove finds the account and compares the password.
func (h *Hub) prove(ctx context.Context, called, password string) (Account, error) {
	var a Account
	found := false
	if name, err := parley.ParseUserName(called); err == nil {
		if a, found, err = h.account(ctx, name); err != nil {
			return Account{}, err
		}
	}
	if len(password) > h.limits.Password {
		password = password[:h.limits.Password+1] // no password is this long
	}
	if !found {
		a.Hash = "" // compared with nothing, at the same cost
	}
	same, err := h.passwords.compare(ctx, password, a.Hash)
	if err != nil {
		return Account{}, err
	}
	if !same {
		return Account{}, parley.ErrWrongUserOrPassword
	}
	return a, nil
}

// Logout makes the session nobody again.
func (s *Session) Logout() error {
	switch {
	case s.module:
		return errIsModule
	case s.user.Load() == nil:
		return parley.ErrNotLoggedIn
	}
	s.release("logged out")
	return nil
}

// SetPassword changes the account's password. CodeForbidden for guests,
// ErrWrongUserOrPassword when old is wrong.
func (s *Session) SetPassword(ctx context.Context, old, password string) error {
	u, err := s.accountUser()
	if err != nil {
		return err
	}
	h := s.hub
	if err := h.checkNewPassword(password); err != nil {
		return err
	}
	if _, err := h.prove(ctx, u.Name.String(), old); err != nil {
		return err
	}
	hash, err := h.passwords.hash(ctx, password)
	if err != nil {
		return err
	}
	return h.journal.do(ctx, &change{store: func(tx Tx) error { return tx.SetPassword(u.ID, hash) }})
}

// named gives the user that the session speaks as, or ErrNotLoggedIn.
func (s *Session) named() (*user, error) {
	if u := s.user.Load(); u != nil {
		return u, nil
	}
	return nil, parley.ErrNotLoggedIn
}

// accountUser is as named, and CodeForbidden for guests.
func (s *Session) accountUser() (*user, error) {
	u, err := s.named()
	if err == nil && !u.IsAccount() {
		err = parley.Errorf(parley.CodeForbidden, "only registered users may do this; register a name and log in")
	}
	return u, err
}
