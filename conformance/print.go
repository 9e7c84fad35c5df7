package conformance

import (
	"cmp"
	"fmt"
	"io"
	"path"
	"strings"
)

// A Printer shows a check to people, while it runs and at its end. Its methods
// are those that Options call.
type Printer struct {
	Out      io.Writer
	Terminal bool // Out is one: a line of progress is shown and taken away again

	section  string
	progress bool // the line is shown
}

// Started says what is about to be checked.
func (p *Printer) Started(r Report) {
	var doors []string
	if r.Text != "" {
		doors = append(doors, "the text protocol at "+r.Text)
	}
	if r.Line != "" {
		doors = append(doors, "the line protocol at "+r.Line+map[string]string{
			"lines":  " (in lines: messages end with LF)",
			"chunks": " (in chunks: one write is one message, without LF)",
		}[r.LineMode])
	}
	fmt.Fprintln(p.Out, "Checking "+strings.Join(doors, " and "))
}

// Progress shows how far the check is.
func (p *Printer) Progress(done, total int) {
	if p.Terminal && done < total {
		fmt.Fprintf(p.Out, "\r\x1b[K  %d of %d stories", done, total)
		p.progress = true
	}
}

// clear takes the line of progress away.
func (p *Printer) clear() {
	if p.progress {
		fmt.Fprint(p.Out, "\r\x1b[K")
		p.progress = false
	}
}

// Finished shows a rule.
func (p *Printer) Finished(r Rule) {
	p.clear()
	if r.Section != p.section {
		fmt.Fprintf(p.Out, "\n%s\n", r.Section)
		p.section = r.Section
	}
	result, note := string(r.Result), ""
	if r.Result == Broken {
		result = "BROKEN"
	}
	if r.Note != "" {
		note = " (" + r.Note + ")"
	}
	fmt.Fprintf(p.Out, "  %-11s  %-6s %s%s%s\n", result, r.Clause, r.Title, extensionMark(r), note)
}

func extensionMark(r Rule) string {
	if r.Extension {
		return " [ext]"
	}
	return ""
}

const legend = `What is broken. "bob> x": bob sends x. "bob< x": x is what bob gets. "bob>> x" and
"bob<< x": bytes, as they are on the wire. Names end in letters that are new in each
run. In what should have come * is any text, and [,*] more fields or none.
`

// Report shows what is broken, with the exchanges, and a summary.
func (p *Printer) Report(r Report) {
	p.clear()
	if r.Broken > 0 {
		fmt.Fprint(p.Out, "\n"+legend)
	}
	for _, rule := range r.Rules {
		if rule.Result == Broken {
			p.broken(rule)
		}
	}
	fmt.Fprintf(p.Out, "\n%s\n", r.Summary())
	if r.Waited > 0 {
		fmt.Fprintf(p.Out, "Stories in which nothing came in time: %d. If the server is only slow, give --patience 30s.\n", r.Waited)
	}
	if r.Kept == 0 && r.Broken > 1 {
		fmt.Fprintln(p.Out, "Not one rule is kept. Does this server speak the protocol that the address names?")
	}
}

func (p *Printer) broken(r Rule) {
	fmt.Fprintf(p.Out, "\n%s %s%s\n", r.Clause, r.Title, extensionMark(r))
	for _, f := range r.Failures {
		fmt.Fprintf(p.Out, "\n    %s (%s:%d)\n", f.Story[strings.Index(f.Story, "/")+1:], path.Base(f.File), f.Line)
		p.failure(f)
	}
	if len(r.Failures) == 0 {
		fmt.Fprintf(p.Out, "\n    %s\n", r.Note)
	}
}

// failure shows how far a story came. What came instead of what should have is
// not shown twice.
func (p *Printer) failure(f *Failure) {
	step := f.Step
	if m := speech.FindStringSubmatch(step); m != nil {
		step = m[1] + m[2][:1]
	}
	said := f.Exchange
	if n := len(said); n > 0 && strings.HasSuffix(said[n-1], "< "+f.Got) {
		said = said[:n-1]
	}
	for _, line := range said {
		fmt.Fprintf(p.Out, "        %s\n", line)
	}
	want := strings.ReplaceAll(cmp.Or(f.Want, "an empty message"), "\n      or ", "\n                   or ")
	fmt.Fprintf(p.Out, "        %s\n", step)
	fmt.Fprintf(p.Out, "          should be: %s\n          but was:   %s\n", want, f.Got)
}

// Summary says in a line, or two, how the check ended.
func (r Report) Summary() string {
	rules := " rules"
	if r.Kept == 1 {
		rules = " rule"
	}
	line := fmt.Sprintf("%d%s kept, %d broken", r.Kept, rules, r.Broken)
	if r.NotOffered > 0 {
		line += fmt.Sprintf(", %d not offered", r.NotOffered)
	}
	if r.NotChecked > 0 {
		line += fmt.Sprintf(", %d not checked", r.NotChecked)
	}
	line += fmt.Sprintf(", in %.1f s", r.Seconds)
	if r.Stopped != "" {
		line += "\nThe check ended early: " + r.Stopped
	}
	return line
}
