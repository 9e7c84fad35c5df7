package server_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/parley-chat/parley/internal/config"
	"github.com/parley-chat/parley/internal/server"
)

// regrant lets the server read other grants.
func (h *host) regrant(grants config.Grants) {
	h.t.Helper()
	cfg := config.Default()
	cfg.Kill, cfg.Grants = "admin", grants
	if err := h.Reload(context.Background(), cfg); err != nil {
		h.t.Fatalf("Reload: %v", err)
	}
}

// rightsOf asks for what each right allows, and gives the types of the refusals.
func rightsOf(c *textClient) string {
	var all []string
	for _, request := range [][]string{{"provide", "dice", "0", "-1", ""}, {"modules", "reload"}, {"join", "lobby"}} {
		got := c.ask(request...)
		if got[0] == "error" {
			got = got[2:]
		}
		all = append(all, got[0])
	}
	return strings.Join(all, " ")
}

// What is granted is the account's alone, whoever else says that name, and
// whatever case it is granted in; it can be given and taken while they are there.
func TestRightsAreTheAccounts(t *testing.T) {
	both := []string{"provide", "admin"}
	h := start(t, granting(config.Grants{"ＲＯＢＯＴ": {Rights: []string{"provide"}}, "boss": {Rights: both}, "ghost": {Rights: both}, "idle": {}}))
	ghost := h.guest("ghost")
	ghost.ok("register", "ghost", "secret")
	clients := map[string]*textClient{
		"nobody": h.text(), "a guest": h.guest("guest"), "a guest of a granted name": ghost,
		"alice": h.account("alice"), "robot": h.account("robot"), "Boss": h.account("Boss"), "idle": h.account("idle"),
	}
	none := "forbidden forbidden ok"
	compare := func(when string, want map[string]string) {
		t.Helper()
		for who, c := range clients {
			wants := want[who]
			if wants == "" {
				wants = none
			}
			if who == "nobody" {
				wants = "not_logged_in forbidden not_logged_in"
			}
			if got := rightsOf(c); got != wants {
				t.Errorf("%s, %s: %s, want %s", when, who, got, wants)
			}
		}
	}
	compare("at first", map[string]string{"robot": "ok forbidden ok", "Boss": "ok ok ok"})
	h.regrant(config.Grants{"alice": {Rights: both}, "robot": {Rights: []string{"rooms", "network"}}})
	compare("after others were granted", map[string]string{"alice": "ok ok ok"})
	h.regrant(nil)
	compare("after nobody was", nil)
	h.regrant(config.Grants{"ghost": {Rights: both}})
	compare("to a guest who registered the name", nil)
	ghost.ok("login", "ghost", "secret")
	compare("who logged in then", map[string]string{"a guest of a granted name": "ok ok ok"})
	ghost.ok("logout")
	ghost.ok("guest", "gus")
	compare("who logged out", nil)
}

// Who is granted admin may end the server by the line door, if the name is proven
// and the policy is not that nobody may.
func TestKillOfAdmin(t *testing.T) {
	admin := []string{"admin"}
	for _, tt := range []struct {
		name, policy, says string
		grants             config.Grants
		allowed            bool
	}{
		{name: "proven", policy: "admin", says: "boss secret", grants: config.Grants{"boss": {Rights: admin}}, allowed: true},
		{name: "another case", policy: "admin", says: "BOSS secret", grants: config.Grants{"Boss": {Rights: admin}}, allowed: true},
		{name: "open to others", policy: "auto", says: "boss secret", grants: config.Grants{"boss": {Rights: admin}}, allowed: true},
		{name: "never", policy: "never", says: "boss secret", grants: config.Grants{"boss": {Rights: admin}}},
		{name: "another right", policy: "admin", says: "boss secret", grants: config.Grants{"boss": {Rights: []string{"provide", "rooms", "network"}}}},
		{name: "another account", policy: "admin", says: "carl secret", grants: config.Grants{"boss": {Rights: admin}}},
		{name: "a guest of the name", policy: "admin", says: "ghost", grants: config.Grants{"ghost": {Rights: admin}}},
		{name: "open, a guest of the name", policy: "auto", says: "ghost", grants: config.Grants{"ghost": {Rights: admin}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := start(t, granting(tt.grants), func(s *setup) {
				s.cfg.Kill, s.cfg.Text, s.cfg.Line, s.cfg.Insecure = tt.policy, "0.0.0.0:0", "127.0.0.1:0", true
			})
			h.account("boss").Close()
			h.account("carl").Close()
			c := h.lineOn("")
			c.send(tt.says)
			c.want("Welcome*")
			c.send("kill")
			if tt.allowed {
				<-h.Ended()
				if err := h.Why(); !errors.Is(err, server.ErrKilled) {
					t.Errorf("ended by %v, want %v", err, server.ErrKilled)
				}
				return
			}
			c.want("Error: kill is not permitted")
			select {
			case <-h.Ended():
				t.Error("a refused kill ended the server")
			default:
			}
		})
	}
}

// A right that is taken while its user is there is gone at once.
func TestKillAfterReload(t *testing.T) {
	h := start(t, granting(config.Grants{"boss": {Rights: []string{"admin"}}}), func(s *setup) { s.cfg.Kill = "admin" })
	h.account("boss").Close()
	c := h.line("boss secret")
	h.regrant(nil)
	if got := c.ask("kill"); got != "Error: kill is not permitted" {
		t.Fatalf("kill was answered %q", got)
	}
	h.regrant(config.Grants{"boss": {Rights: []string{"admin"}}})
	c.send("kill")
	<-h.Ended()
}
