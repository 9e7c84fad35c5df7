package conformance

// A Result is what became of a rule.
type Result string

// The results.
const (
	Kept       Result = "kept"        // every story that was played came true
	Broken     Result = "broken"      // one did not
	NotOffered Result = "not offered" // an extension that the server does not have
	NotChecked Result = "not checked" // no story of it was to be played
)

// A Rule is a clause of a protocol page, and how a server keeps it.
type Rule struct {
	Clause    string     `json:"clause"`             // its number: 1.1.3
	Section   string     `json:"section"`            // the heading above it
	Title     string     `json:"title"`              // what it asks for, in a few words
	Extension bool       `json:"extension"`          // it is parley's, and not of the published protocol
	Result    Result     `json:"result"`             // what came out
	Note      string     `json:"note,omitempty"`     // why it was not checked or is not offered
	Stories   int        `json:"stories"`            // how many were played
	Failures  []*Failure `json:"failures,omitempty"` // those that did not come true
}

// A Report is what a check found.
type Report struct {
	Text     string   `json:"text,omitempty"`      // address of the text door
	Line     string   `json:"line,omitempty"`      // address of the line door
	LineMode string   `json:"line_mode,omitempty"` // "lines" or "chunks": how the seed's stories were played there
	SeedOnly bool     `json:"seed_only"`           // the extensions were left out
	Offered  []string `json:"offered"`             // what the server offers beyond the published protocols
	Rules    []Rule   `json:"rules"`               // in the order of the pages

	Kept       int `json:"kept"`
	Broken     int `json:"broken"`
	NotOffered int `json:"not_offered"`
	NotChecked int `json:"not_checked"`

	// Stopped says why the check ended early, if it did: the server was gone,
	// or the time was up. What was left then counts as broken.
	Stopped string  `json:"stopped,omitempty"`
	Seconds float64 `json:"seconds"` // how long it took

	// Waited is how many stories failed because nothing came in time. A slow
	// server may need more patience.
	Waited int `json:"waited"`
}

// fold counts a rule.
func (r *Report) fold(rule Rule) {
	r.Rules = append(r.Rules, rule)
	for _, f := range rule.Failures {
		if f.timeout {
			r.Waited++
		}
	}
	switch rule.Result {
	case Kept:
		r.Kept++
	case Broken:
		r.Broken++
	case NotOffered:
		r.NotOffered++
	case NotChecked:
		r.NotChecked++
	}
}
