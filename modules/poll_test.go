package modules_test

import (
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-chat/parley/internal/proof"
)

// said wants the module to speak in a room next, and lets it.
func (p *program) said(t *testing.T, room, text string) {
	t.Helper()
	got := p.read(t)
	if diff := cmp.Diff(words("req", "say", "say", room, text), got); diff != "" {
		t.Errorf("the module says: %s", diff)
	}
	p.write(t, "req", "say", "error", "nonfatal", "forbidden", "no, you may not")
}

// TestPoll runs the script with each shell that is here.
func TestPoll(t *testing.T) {
	t.Parallel()
	shells := [][]string{{shell(t)}}
	if proof.Size(1, 2, 2) > 1 {
		shells = append(shells, words("dash"), words("bash"), words("busybox", "sh"))
	}
	for _, args := range shells {
		if _, err := exec.LookPath(args[0]); err != nil {
			continue // one of the others
		}
		t.Run(filepath.Base(args[0]), func(t *testing.T) {
			t.Parallel()
			testPoll(t, append(args, file(t, "poll.sh")))
		})
	}
}

func testPoll(t *testing.T, args []string) {
	dir := t.TempDir()
	p := start(t, dir, args...)
	p.provides(t, "poll", "vote", "result")
	p.check(t, []row{
		{"alice", words("result", "lobby"), refused("poll_not_found")},
		{"alice", words("vote", "lobby", "1"), refused("poll_not_found")},
		{"", words("poll", "lobby", "?", "a", "b"), refused("not_logged_in")},
		{"alice", words("poll", "lobby", "?", "a"), refused("syntax")}, // by ask, as what follows
		{"alice", append(words("poll", "lobby", "?"), strings.Split("1,2,3,4,5,6,7,8,9,10,11", ",")...), refused("syntax")},
		{"alice", words("vote"), refused("syntax")},
		{"alice", words("exit", "1"), refused("syntax")},
		{"alice", words("vote,2", "1"), refused("syntax")},
		{"alice", words("poll", "", "?", "a", "b"), refused("syntax")},
		{"alice", words("poll", strings.Repeat("x", 121), "?", "a", "b"), refused("request_too_long")},
		{"alice", words("poll", "lobby", strings.Repeat("x", 60_000), "a", "b"), refused("request_too_long")},
		{"alice", words("poll", "lobby", "Tea, or coffee?", "tea", `\ coffee`), words("ok")},
	})
	p.said(t, "lobby", `alice asks: Tea, or coffee? 1: tea 2: \ coffee`)
	p.check(t, []row{
		{"bob", words("poll", "lobby", "Mine?", "a", "b"), refused("poll_open")},
		{"bob", words("vote", "lobby", "2"), words("ok")},
		{"bob", words("vote", "lobby", "1"), words("ok")},
		{"alice", words("vote", "lobby", "1"), words("ok")},
		{"[x]", words("vote", "lobby", "2"), words("ok")},
		{"[x]", words("vote", "lobby", "2"), words("ok")},
		{"", words("vote", "lobby", "1"), refused("not_logged_in")},
		{"bob", words("vote", "lobby", "0"), refused("choice_not_found")},
		{"bob", words("vote", "lobby", "3"), refused("choice_not_found")},
		{"bob", words("vote", "lobby", "1/../choice1"), refused("choice_not_found")},
		{"bob", words("vote", "lobby", ""), refused("choice_not_found")},
		{"bob", words("result", "lobby"), words("result", "Tea, or coffee?", "tea", "2", `\ coffee`, "1")},
	})
	p.end(t)

	p = start(t, dir, args...) // it has forgotten nothing
	p.provides(t, "poll", "vote", "result")
	p.write(t, "send", "mallory", "text", strings.Repeat(`\,`, 20_000))
	p.check(t, []row{
		{"alice", words("result", "lobby"), words("result", "Tea, or coffee?", "tea", "2", `\ coffee`, "1")},
	})
	p.said(t, "lobby", `the poll has ended: Tea, or coffee? tea: 2 \ coffee: 1`)
	p.check(t, []row{
		{"alice", words("vote", "lobby", "2"), refused("poll_ended")},
		{"alice", words("result", "lobby"), words("result", "Tea, or coffee?", "tea", "2", `\ coffee`, "1")},
	})
	testHostilePolls(t, p, dir)
	p.end(t)
}

// testHostilePolls opens polls in rooms, with questions and choices, that a
// careless script would run, expand or take for paths.
func testHostilePolls(t *testing.T, p *program, dir string) {
	t.Helper()
	for _, hostile := range []string{
		"$(touch broken)", "`touch broken`", "; touch broken", "' \" $HOME ${x} $1 *", "../../broken", "*", "-n", "-e \\c",
		"%s%n%d\\n\\0101", "~", "a\nb\r\n c\t", "\x01\x7f\x1b[31m", "🎲 é \\\\,,\\,", ")", "(", "!", "=", "\\", ",", " ",
	} {
		p.check(t, []row{{"bob", words("poll", hostile, hostile, hostile, hostile), words("ok")}})
		p.said(t, hostile, "bob asks: "+hostile+" 1: "+hostile+" 2: "+hostile)
		p.check(t, []row{
			{hostile, words("vote", hostile, "2"), words("ok")}, // no name, but who knows
			{"carl", words("vote", hostile, hostile), refused("choice_not_found")},
			{"carl", words("result", hostile), words("result", hostile, hostile, "0", hostile, "1")},
		})
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) != 21 {
		t.Errorf("the polls of 21 rooms stand in %q, %v", files, err)
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(dir), "broken")); err == nil {
		t.Error("a path came out of the directory")
	}
}

// TestPollsAreBounded: a hundred polls, until one had no vote for a day, and a
// thousand votes.
func TestPollsAreBounded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for i := range 100 {
		if err := os.Mkdir(filepath.Join(dir, strings.Repeat("a", i+1)), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	p := start(t, dir, shell(t), file(t, "poll.sh"))
	p.provides(t, "poll", "vote", "result")
	call := words("poll", "lobby", "?", "yes", "no")
	p.check(t, []row{{"alice", call, refused("too_many")}})
	old := time.Now().Add(-25 * time.Hour)
	if err := os.Chtimes(filepath.Join(dir, "aa"), old, old); err != nil {
		t.Fatal(err)
	}
	p.check(t, []row{{"alice", call, words("ok")}})
	p.said(t, "lobby", "alice asks: ? 1: yes 2: no")
	votes := filepath.Join(dir, hex.EncodeToString([]byte("lobby")), "votes")
	write(t, votes, strings.Repeat("61 1\n", 999)+"62 1\n")
	p.check(t, []row{
		{"c", words("vote", "lobby", "1"), refused("too_many")},
		{"b", words("vote", "lobby", "2"), words("ok")},
		{"alice", words("result", "lobby"), words("result", "?", "yes", "999", "no", "1")},
	})
	p.said(t, "lobby", "the poll has ended: ? yes: 999 no: 1")
	p.end(t)
}
