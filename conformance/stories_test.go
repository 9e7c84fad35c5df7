package conformance

import (
	"errors"
	"flag"
	"os"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite the expectations of the stories to what the server sends")

// TestStories plays the stories against a running server, if the environment
// gives the addresses of its doors in PARLEY_TEXT and PARLEY_LINE, and in
// PARLEY_GRANTED and PARLEY_GRANTED_PASSWORD an account that may provide
// commands. Our own server plays them in its own tests.
func TestStories(t *testing.T) {
	// Passwords are hashed with care there, and stories play side by side.
	target := Target{
		Text: os.Getenv("PARLEY_TEXT"), Line: os.Getenv("PARLEY_LINE"), Patience: 20 * time.Second,
		Granted: os.Getenv("PARLEY_GRANTED"), Password: os.Getenv("PARLEY_GRANTED_PASSWORD"),
	}
	if target.Text == "" && target.Line == "" {
		t.Skip("neither PARLEY_TEXT nor PARLEY_LINE holds the address of a server")
	}
	all, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, story := range all {
		t.Run(story.String(), func(t *testing.T) {
			if !*update {
				t.Parallel()
			}
			edits, err := playOrRecord(t, story, target)
			if errors.Is(err, ErrNoDoor) || errors.Is(err, ErrNoGrant) {
				t.Skip(err)
			}
			if err != nil {
				t.Error(err)
			}
			if err := Apply(".", edits); err != nil {
				t.Error(err)
			}
		})
	}
}

func playOrRecord(t *testing.T, story Story, target Target) ([]Edit, error) {
	if *update {
		return Record(t.Context(), story, target, "")
	}
	return nil, Run(t.Context(), story, target, "")
}
