package modules_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var reminderCommands = words("remind", "reminders", "forget")

// remind wants a reminder to be taken, and gives its number.
func (p *program) remind(t *testing.T, user, wait, text string) string {
	t.Helper()
	before := time.Now()
	got := p.call(t, user, "remind", wait, text)
	d, err := time.ParseDuration(wait)
	if err != nil || len(got) != 3 || got[0] != "ok" {
		t.Fatalf("remind,%s,%q = %q, %v", wait, text, got, err)
	}
	// Shown to the second, so it may seem earlier by less than one.
	when, err := time.Parse(time.RFC3339, got[2])
	if err != nil || when.Before(before.Add(d-time.Second)) || when.After(time.Now().Add(d)) {
		t.Errorf("remind,%s at %v is for %s, %v", wait, before, got[2], err)
	}
	return got[1]
}

func TestReminder(t *testing.T) {
	t.Parallel()
	p := start(t, t.TempDir(), reminder(t))
	p.provides(t, reminderCommands...)
	p.check(t, []row{
		{"", words("remind", "1h", "x"), refused("not_logged_in")},
		{"", words("reminders"), refused("not_logged_in")},
		{"", words("forget", "1"), refused("not_logged_in")},
		{"alice", words("remind", "soon", "x"), refused("syntax")},
		{"alice", words("remind", "", "x"), refused("syntax")},
		{"alice", words("remind", "999ms", "x"), refused("syntax")},
		{"alice", words("remind", "-1h", "x"), refused("syntax")},
		{"alice", words("remind", "8785h", "x"), refused("syntax")},
		{"alice", words("remind", "1e9h", "x"), refused("syntax")},
		{"alice", words("remind", "1h", ""), refused("syntax")},
		{"alice", words("remind", "1h", "\r\n"), refused("syntax")},
		{"alice", words("remind", "1h", strings.Repeat("x", 1001)), refused("syntax")},
		{"alice", words("remind", "1h"), refused("syntax")}, // by ask, as what follows
		{"alice", words("reminders", "1h"), refused("syntax")},
		{"alice", words("remind 2", "1h", "x"), refused("syntax")},
		{"alice", words("", ""), refused("syntax")},
		{"alice", words("reminders"), words("reminders")},
		{"alice", words("forget", "1"), refused("reminder_not_found")},
	})
	text := "tea, \\ and\r\nthé " + strings.Repeat("x", 900)
	n := p.remind(t, "alice", "8784h", text)
	list := p.call(t, "alice", "reminders")
	if len(list) != 4 || list[1] != n || list[3] != text {
		t.Errorf("reminders gives %q, want %s and %q", list, n, text)
	}
	p.check(t, []row{
		{"bob", words("reminders"), words("reminders")},
		{"bob", words("forget", n), refused("reminder_not_found")},
		{"alice", words("forget", n+" "), refused("reminder_not_found")},
		{"alice", words("forget", n), words("ok")},
		{"alice", words("forget", n), refused("reminder_not_found")},
		{"alice", words("reminders"), words("reminders")},
	})
	for range 20 {
		p.remind(t, "alice", "1h30m", "x")
	}
	p.check(t, []row{{"alice", words("remind", "1h", "x"), refused("too_many")}})
	p.end(t)
}

// remembered is what stands in the file.
type remembered struct {
	N    int
	When time.Time
	Text string
}

// remember gives a module that is to run in a directory what it has to know.
func remember(t *testing.T, dir string, of map[string][]remembered) {
	t.Helper()
	data, err := json.Marshal(of)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "reminders.json"), string(data))
}

// TestRemindersAreBounded: a thousand, of whomever.
func TestRemindersAreBounded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	all := map[string][]remembered{}
	for i := range 1000 {
		user := fmt.Sprint("user", i/20)
		all[user] = append(all[user], remembered{i, time.Now().Add(time.Hour), "x"})
	}
	remember(t, dir, all)
	p := start(t, dir, reminder(t))
	p.provides(t, reminderCommands...)
	p.check(t, []row{
		{"alice", words("remind", "1h", "x"), refused("too_many")},
		{"user7", words("forget", "140"), words("ok")},
	})
	if n := p.remind(t, "alice", "1h", "x"); n != "1000" {
		t.Errorf("the reminder behind 999 has the number %s", n)
	}
	p.end(t)
}

// TestReminderTells: what is due is told once, also when it became due while the
// module was not there.
func TestReminderTells(t *testing.T) {
	t.Parallel()
	dir, past, text := t.TempDir(), time.Now().Add(-time.Hour), "tea, \\ and\r\nthé"
	remember(t, dir, map[string][]remembered{"alice": {{7, past, text}}, "guest": {{3, past, "x"}}})
	p := start(t, dir, reminder(t))
	p.provides(t, reminderCommands...)
	want := map[string]string{"alice": text, "guest": "x"}
	for range len(want) {
		got := p.read(t)
		if len(got) != 5 || got[2] != "tell" || got[4] != want[got[3]] {
			t.Fatalf("the module says %q, want it to tell %q", got, want)
		}
		delete(want, got[3])
		if got[3] == "guest" {
			p.write(t, "req", got[1], "error", "nonfatal", "user_offline", "guest is gone")
		} else {
			p.write(t, "req", got[1], "ok", "", "2026-11-21T15:30:00.000Z")
		}
	}
	p.check(t, []row{{"alice", words("reminders"), words("reminders")}, {"guest", words("reminders"), words("reminders")}})
	if n := p.remind(t, "alice", "1h", "later"); n != "8" {
		t.Errorf("the reminder behind 7 has the number %s", n)
	}
	p.end(t)

	p = start(t, dir, reminder(t))
	p.provides(t, reminderCommands...)
	if list := p.call(t, "alice", "reminders"); len(list) != 4 || list[3] != "later" {
		t.Errorf("after a restart reminders gives %q", list)
	}
	p.end(t)
}

// TestReminderAgain: what was told and not answered is told after a restart, and
// what the server could not take is not forgotten.
func TestReminderAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	remember(t, dir, map[string][]remembered{"alice": {{1, time.Now(), "x"}}})
	for range 2 {
		p := start(t, dir, reminder(t))
		p.provides(t, reminderCommands...)
		if got := p.read(t); len(got) != 5 || got[2] != "tell" || got[4] != "x" {
			t.Fatalf("the module says %q", got)
		}
		p.end(t)
	}
	p := start(t, dir, reminder(t))
	p.provides(t, reminderCommands...)
	p.write(t, "req", p.read(t)[1], "error", "nonfatal", "unavailable", "the disk is full")
	if got := p.call(t, "alice", "reminders"); len(got) != 4 {
		t.Errorf("a reminder that the server could not take is gone: %q", got)
	}
	p.end(t)
}

// TestReminderBrokenFile: what it cannot read it does not write over.
func TestReminderBrokenFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name := filepath.Join(dir, "reminders.json")
	write(t, name, `{"alice": [`)
	p := start(t, dir, reminder(t))
	if err := p.cmd.Wait(); err == nil {
		t.Error("it ends well although its file is broken")
	}
	if got, _ := os.ReadFile(name); string(got) != `{"alice": [` {
		t.Errorf("the broken file is now %q", got)
	}
}

// BenchmarkReminder pipelines calls over pipes, a hundred at a time.
func BenchmarkReminder(b *testing.B) {
	p := start(b, b.TempDir(), reminder(b))
	p.provides(b, reminderCommands...)
	const window = 100
	for b.Loop() {
		for range window {
			p.write(b, "call", "1", "reminders", "alice")
		}
		for range window {
			p.read(b)
		}
	}
	b.ReportMetric(float64(window*b.N)/b.Elapsed().Seconds(), "calls/s")
}
