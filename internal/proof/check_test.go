package proof

import (
	"fmt"
	"testing"
)

// run is a small run of three sessions: anna and berta in the lobby, carl not.
type run struct{ *Log }

func newRun() run {
	r := run{&Log{}}
	for _, s := range []string{"anna", "berta", "carl"} {
		r.Speaks(s, s)
	}
	r.Join("anna", "lobby").OK("")
	r.Join("berta", "lobby").OK("")
	return r
}

func (r run) say(session, text string) Call {
	return r.Post(Post{Session: session, User: session, Conversation: "lobby", Text: text})
}

func (r run) retry(session, text, clientID string) Call {
	return r.Post(Post{Session: session, User: session, Conversation: "lobby", Text: text, ClientID: clientID})
}

func (r run) tell(session, to, text string) Call {
	return r.Post(Post{Session: session, User: session, Conversation: Pair(session, to), Text: text})
}

// heard is said by anna, seen by berta, and acknowledged.
func (r run) heard(text, id string) {
	call := r.say("anna", text)
	r.Saw("berta", "lobby", "anna", id, text)
	call.OK(id)
}

// quiet lets both ask, so that both must have got everything.
func (r run) quiet() {
	r.Ask("anna").OK("")
	r.Ask("berta").OK("")
}

func keeps(texts ...string) (all []Message) {
	for i, text := range texts {
		all = append(all, Message{ID: fmt.Sprint(i + 1), Sender: "anna", Text: text})
	}
	return all
}

var checks = []struct {
	name string
	run  func(r run)
	want Kind // empty: nothing is wrong
}{
	{"all is well", func(r run) {
		r.heard("a", "1")
		r.heard("b", "2")
		r.quiet()
		r.Read("lobby", "", keeps("a", "b"))
	}, ""},
	{"unknown and there", func(r run) {
		r.say("anna", "a")
		r.Read("lobby", "", keeps("a"))
	}, ""},
	{"unknown and not there", func(r run) {
		r.say("anna", "a")
		r.Read("lobby", "", nil)
	}, ""},
	{"acknowledged and not there", func(r run) {
		r.say("anna", "a").OK("1")
		r.Read("lobby", "", nil)
	}, Lost},
	{"acknowledged as something else", func(r run) {
		r.say("anna", "a")
		r.say("anna", "b").OK("1")
		r.Read("lobby", "", keeps("a", "b"))
	}, Forged},
	{"retried and once", func(r run) {
		r.retry("anna", "a", "x")
		r.retry("anna2", "a", "x").OK("1")
		r.Read("lobby", "", keeps("a"))
	}, ""},
	{"retried and twice", func(r run) {
		r.retry("anna", "a", "x")
		r.retry("anna2", "a", "x").OK("2")
		r.Read("lobby", "", keeps("a", "a"))
	}, Doubled},
	{"retried and twice, acknowledged once each", func(r run) {
		r.retry("anna", "a", "x").OK("1")
		r.retry("anna2", "a", "x").OK("2")
		r.Read("lobby", "", keeps("a", "b"))
		r.say("anna", "b")
	}, Forged},
	{"twice without an id, said twice", func(r run) {
		r.say("anna", "a")
		r.say("anna2", "a").OK("2")
		r.Read("lobby", "", keeps("a", "a"))
	}, ""},
	{"refused and there", func(r run) {
		r.say("anna", "a").Fail()
		r.Read("lobby", "", keeps("a"))
	}, Phantom},
	{"refused and told", func(r run) {
		r.say("anna", "a").Fail()
		r.Saw("berta", "lobby", "anna", "", "a")
	}, Phantom},
	{"told and not kept", func(r run) {
		r.say("anna", "a")
		r.Saw("berta", "lobby", "anna", "1", "a")
		r.Read("lobby", "", nil)
	}, Phantom},
	{"nobody said it", func(r run) {
		r.Read("lobby", "", keeps("a"))
	}, Phantom},
	{"somebody else said it", func(r run) {
		r.say("berta", "a").OK("1")
		r.Read("lobby", "", keeps("a"))
	}, Forged},
	{"told under another id", func(r run) {
		r.say("anna", "a").OK("1")
		r.Saw("berta", "lobby", "anna", "7", "a")
		r.Read("lobby", "", keeps("a"))
	}, Fork},
	{"told in another order", func(r run) {
		r.say("anna", "a").OK("1")
		r.say("anna", "b").OK("2")
		r.Saw("berta", "lobby", "anna", "2", "b")
		r.Saw("berta", "lobby", "anna", "1", "a")
		r.Read("lobby", "", keeps("a", "b"))
	}, Reordered},
	{"kept in another order than said", func(r run) {
		r.say("anna", "a").OK("2")
		r.say("anna", "b").OK("1")
		r.Read("lobby", "", keeps("b", "a"))
	}, Reordered},
	{"told twice", func(r run) {
		r.heard("a", "1")
		r.Saw("berta", "lobby", "anna", "1", "a")
		r.Read("lobby", "", keeps("a"))
	}, Doubled},
	{"told what it said itself", func(r run) {
		r.say("anna", "a").OK("1")
		r.Saw("anna", "lobby", "anna", "1", "a")
		r.Read("lobby", "", keeps("a"))
	}, Doubled},
	{"one in the middle is missing", func(r run) {
		r.heard("a", "1")
		r.say("anna", "b").OK("2")
		r.heard("c", "3")
		r.Read("lobby", "", keeps("a", "b", "c"))
	}, Gap},
	{"the first is missing", func(r run) {
		r.say("anna", "a").OK("1")
		r.heard("b", "2")
		r.Read("lobby", "", keeps("a", "b"))
	}, Gap},
	{"the last is missing though it asked", func(r run) {
		r.heard("a", "1")
		r.say("anna", "b").OK("2")
		r.quiet()
		r.Read("lobby", "", keeps("a", "b"))
	}, Gap},
	{"all are missing though it asked", func(r run) {
		r.say("anna", "a").OK("1")
		r.quiet()
		r.Read("lobby", "", keeps("a"))
	}, Gap},
	{"the last is missing and it never asked", func(r run) {
		r.heard("a", "1")
		r.say("anna", "b").OK("2")
		r.Ended("berta")
		r.Read("lobby", "", keeps("a", "b"))
	}, ""},
	{"the last is missing and it was told that it is cut", func(r run) {
		r.heard("a", "1")
		r.say("anna", "b").OK("2")
		r.quiet()
		r.Cut("berta")
		r.Ended("berta")
		r.Read("lobby", "", keeps("a", "b"))
	}, ""},
	{"one in the middle is missing before it was cut", func(r run) {
		r.heard("a", "1")
		r.say("anna", "b").OK("2")
		r.heard("c", "3")
		r.Cut("berta")
		r.Read("lobby", "", keeps("a", "b", "c"))
	}, Gap},
	{"came late", func(r run) {
		r.heard("a", "1")
		r.Join("carl", "lobby").OK("")
		r.quiet()
		r.Ask("carl").OK("")
		r.Read("lobby", "", keeps("a"))
	}, ""},
	{"came late and is told what was before", func(r run) {
		r.heard("a", "1")
		r.quiet()
		r.Join("carl", "lobby").OK("")
		r.Saw("carl", "lobby", "anna", "1", "a")
		r.Read("lobby", "", keeps("a"))
	}, Leak},
	{"told outside", func(r run) {
		r.heard("a", "1")
		r.Saw("carl", "lobby", "anna", "1", "a")
		r.Read("lobby", "", keeps("a"))
	}, Leak},
	{"told after leaving", func(r run) {
		r.Leave("berta", "lobby").OK("")
		r.heard("a", "1")
		r.Read("lobby", "", keeps("a"))
	}, Leak},
	{"put out, and told what was under way", func(r run) {
		call := r.say("anna", "a")
		r.Put("berta", "lobby")
		r.Saw("berta", "lobby", "anna", "1", "a")
		call.OK("1")
		r.Read("lobby", "", keeps("a"))
	}, ""},
	{"put out, and told what was said later", func(r run) {
		r.Put("berta", "lobby")
		r.heard("a", "1")
		r.Read("lobby", "", keeps("a"))
	}, Leak},
	{"refused to come in, and told", func(r run) {
		r.Join("carl", "lobby").Fail()
		r.heard("a", "1")
		r.Saw("carl", "lobby", "anna", "1", "a")
		r.Read("lobby", "", keeps("a"))
	}, Leak},
	{"refused to leave, and told nothing more", func(r run) {
		r.Leave("berta", "lobby").Fail()
		r.say("anna", "a").OK("1")
		r.quiet()
		r.Read("lobby", "", keeps("a"))
	}, Gap},
	{"a secret among two", func(r run) {
		r.Post(Post{Session: "anna", User: "anna", Conversation: Pair("berta", "anna"), Text: "a"}).OK("1")
		r.Saw("berta", Pair("anna", "berta"), "anna", "1", "a")
		r.Read(Pair("anna", "berta"), "", keeps("a"))
	}, ""},
	{"a secret told to a third", func(r run) {
		r.Post(Post{Session: "anna", User: "anna", Conversation: Pair("berta", "anna"), Text: "a"}).OK("1")
		r.Saw("carl", Pair("anna", "berta"), "anna", "1", "a")
		r.Read(Pair("anna", "berta"), "", keeps("a"))
	}, Leak},
	{"a secret that is not kept, told twice", func(r run) {
		r.Post(Post{Session: "anna", User: "anna", Conversation: Pair("berta", "anna"), Text: "a"}).OK("")
		r.Saw("berta", Pair("anna", "berta"), "anna", "", "a")
		r.Saw("berta", Pair("anna", "berta"), "anna", "", "a")
	}, Doubled},
	{"two readers read another history", func(r run) {
		r.say("anna", "a").OK("1")
		r.say("anna", "b")
		r.Read("lobby", "", keeps("a"))
		r.Read("lobby", "", keeps("b"))
	}, Fork},
	{"what was read is gone", func(r run) {
		r.say("anna", "a")
		r.Read("lobby", "", keeps("a"))
		r.Read("lobby", "", nil)
	}, Lost},
	{"read in two parts", func(r run) {
		r.heard("a", "1")
		r.Read("lobby", "", keeps("a"))
		r.heard("b", "2")
		r.Read("lobby", "1", keeps("a", "b")[1:])
	}, ""},
	{"an id that does not sort", func(r run) {
		r.say("anna", "a")
		r.say("anna", "b")
		all := keeps("a", "b")
		all[0].ID = "9"
		r.Read("lobby", "", all)
	}, Reordered},
	{"twice without an id, acknowledged and told twice", func(r run) {
		for _, id := range []string{"1", "2"} {
			r.heard("a", id)
		}
		r.quiet()
		r.Read("lobby", "", keeps("a", "a"))
	}, ""},
	{"said when a later one was known", func(r run) {
		r.say("anna", "a").OK("2")
		r.say("berta", "b").OK("1")
		all := keeps("b", "a")
		all[0].Sender = "berta"
		r.Read("lobby", "", all)
	}, Reordered},
	{"changed on its way to the disk", func(r run) {
		r.say("anna", "a").OK("1")
		r.say("anna", "b")
		r.Read("lobby", "", keeps("b"))
	}, Lost},
	{"kept in another conversation", func(r run) {
		r.say("anna", "a")
		r.Read("den", "", keeps("a"))
	}, Forged},
	{"refused to come in, and told meanwhile", func(r run) {
		call := r.Join("carl", "lobby")
		r.heard("a", "1")
		r.Saw("carl", "lobby", "anna", "1", "a")
		call.Fail()
		r.Read("lobby", "", keeps("a"))
	}, Leak},
	{"the last is missing though it was answered otherwise", func(r run) {
		r.say("anna", "a").OK("1")
		r.Ask("anna").OK("")
		r.say("berta", "b").Fail()
		r.Read("lobby", "", keeps("a"))
	}, Gap},
	{"asked when the last was under way", func(r run) {
		call := r.say("anna", "a")
		ask := r.Ask("berta")
		call.OK("1")
		r.Ask("anna").OK("")
		ask.OK("")
		r.Read("lobby", "", keeps("a"))
	}, ""},
	{"read too early for what was known", func(r run) {
		r.heard("a", "1")
		r.Read("lobby", "", nil)
		r.Read("lobby", "", keeps("a"))
	}, Lost},
	{"read too early for what was told", func(r run) {
		r.say("anna", "a")
		r.Saw("berta", "lobby", "anna", "1", "a")
		r.Read("lobby", "", nil)
		r.Read("lobby", "", keeps("a"))
	}, Lost},
	{"two read at once, and one is slow to tell", func(r run) {
		one, other := r.Reading("lobby"), r.Reading("lobby")
		r.heard("a", "1")
		one.Found("", keeps("a"))
		other.Found("", nil)
	}, ""},
	{"said to oneself, and told", func(r run) {
		r.tell("anna", "anna", "a").OK("1")
		r.Saw("anna", Pair("anna", "anna"), "anna", "1", "a")
		r.Read(Pair("anna", "anna"), "", keeps("a"))
	}, ""},
	{"a secret by another who did not say it", func(r run) {
		r.tell("anna", "berta", "a").OK("1")
		r.Saw("berta", Pair("berta", "carl"), "carl", "1", "a")
	}, Forged},
	{"a secret missing among others", func(r run) {
		for _, text := range []string{"a", "b", "c"} {
			r.tell("anna", "berta", text)
			if text != "b" {
				r.Saw("berta", Pair("anna", "berta"), "anna", "", text)
			}
		}
		r.Read(Pair("anna", "berta"), "", keeps("a", "b", "c"))
	}, Gap},
	{"the only secret missing though it asked", func(r run) {
		r.Become("berta2", "berta").OK("")
		r.tell("anna", "berta", "a").OK("1")
		r.Ask("anna").OK("")
		r.Ask("berta2").OK("")
		r.Read(Pair("anna", "berta"), "", keeps("a"))
	}, Gap},
	{"what another session of the user told, unasked for", func(r run) {
		r.Become("anna2", "anna").OK("")
		r.tell("anna", "berta", "a").OK("1")
		r.Ask("anna").OK("")
		r.Ask("anna2").OK("")
		r.Read(Pair("anna", "berta"), "", keeps("a"))
	}, ""},
	{"what another session of the user told, asked for", func(r run) {
		r.Become("anna2", "anna").OK("")
		r.Copies("anna2").OK("")
		r.tell("anna", "berta", "a").OK("1")
		r.Ask("anna").OK("")
		r.Ask("anna2").OK("")
		r.Read(Pair("anna", "berta"), "", keeps("a"))
	}, Gap},
	{"secrets that are not kept, in another order", func(r run) {
		r.tell("anna", "berta", "a").OK("")
		r.tell("anna", "berta", "b").OK("")
		r.Saw("berta", Pair("anna", "berta"), "anna", "", "b")
		r.Saw("berta", Pair("anna", "berta"), "anna", "", "a")
	}, Reordered},
}

func TestCheck(t *testing.T) {
	for _, tt := range checks {
		t.Run(tt.name, func(t *testing.T) {
			r := newRun()
			tt.run(r)
			found := r.Check()
			switch {
			case tt.want == "" && len(found) > 0:
				t.Errorf("found, though nothing is wrong:\n%s", Report(found))
			case tt.want != "" && (len(found) == 0 || found[0].Kind != tt.want):
				t.Errorf("want %s, found:\n%s", tt.want, Report(found))
			}
		})
	}
}

// BenchmarkCheck shows that the time grows with the log and no faster.
func BenchmarkCheck(b *testing.B) {
	for _, n := range []int{1000, 10000, 100000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			r := newRun()
			var all []Message
			for i := range n {
				m := Message{ID: fmt.Sprintf("%08d", i), Sender: "anna", Text: fmt.Sprint("text ", i)}
				r.heard(m.Text, m.ID)
				all = append(all, m)
			}
			r.quiet()
			r.Read("lobby", "", all)
			for b.Loop() {
				if found := r.Check(); len(found) > 0 {
					b.Fatal(Report(found))
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/message")
		})
	}
}
