package storetest

import (
	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/hub"
)

func testAccounts(w *world) {
	w.same("nobody", w.named("alice"), []hub.Account(nil))
	alice, bob := w.account("Alice"), w.account("bob")
	if alice.ID <= 0 || bob.ID <= alice.ID {
		w.Errorf("accounts have the numbers %d and %d, want them to grow from above 0", alice.ID, bob.ID)
	}
	w.same("the name as it was typed", w.named("Alice"), []hub.Account{alice})
	w.same("the name in small letters", w.named("alice"), []hub.Account{alice})
	w.same("a look-alike", w.named("A1ice"), []hub.Account{alice})
	w.same("another", w.named("bob"), []hub.Account{bob})
}

func testTakenNames(w *world) {
	alice := w.account("alice")
	w.commit(func(tx hub.Tx) error {
		for _, tt := range []struct {
			name string
			want parley.Code
		}{
			{"alice", parley.CodeNameTaken},
			{"ALICE", parley.CodeNameTaken},
			{"a1ice", parley.CodeInvalidName},
		} {
			a := hub.Account{User: parley.User{Name: userName(w, tt.name)}, Hash: "of somebody else"}
			w.refused("CreateAccount("+tt.name+")", tx.CreateAccount(&a), tt.want)
			if a.ID != 0 {
				w.Errorf("a refused account got the number %d", a.ID)
			}
		}
		return tx.CreateAccount(&hub.Account{User: parley.User{Name: userName(w, "bob")}})
	})
	w.same("the first one", w.named("alice"), []hub.Account{alice})
	if len(w.named("bob")) != 1 {
		w.Error("what followed refusals in a transaction was not kept")
	}
}

func testPasswords(w *world) {
	alice, bob := w.account("alice"), w.account("bob")
	w.commit(func(tx hub.Tx) error {
		w.refused("SetPassword of nobody", tx.SetPassword(bob.ID+100, "x"), parley.CodeUserNotFound)
		w.refused("SetPassword of a guest", tx.SetPassword(-1, "x"), parley.CodeUserNotFound)
		return tx.SetPassword(alice.ID, "another")
	})
	alice.Hash = "another"
	w.same("alice", w.named("alice"), []hub.Account{alice})
	w.same("bob", w.named("bob"), []hub.Account{bob})
}
