package parleytest_test

import (
	"errors"
	"testing"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/client"
	"github.com/parley-chat/parley/client/parleytest"
)

// A server that is started again has what it kept; one that forgot has nothing.
func TestRestart(t *testing.T) {
	ctx := t.Context()
	s := parleytest.Start(t, parleytest.Rooms("tea"))
	login := func() error {
		c, err := client.Dial(ctx, s.URL, client.Login("alice", "secret"))
		if err == nil {
			defer c.Close()
			_, err = c.Say(ctx, "tea", "hello")
		}
		return err
	}
	c, err := client.Dial(ctx, s.URL, client.NoReconnect())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Register(ctx, "alice", "secret"); err != nil {
		t.Fatal(err)
	}
	s.Restart()
	if err := login(); err != nil {
		t.Errorf("after a restart: %v", err)
	}
	s.Stop()
	var refused *parley.Error
	if err := login(); err == nil || errors.As(err, &refused) {
		t.Errorf("when stopped: %v, want an error of the network", err)
	}
	s.Forget()
	s.Start()
	if err := login(); !errors.Is(err, parley.ErrWrongUserOrPassword) {
		t.Errorf("after it forgot: %v", err)
	}
}
