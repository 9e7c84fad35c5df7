package bench

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A column of a table: its head, and what stands below it for a result. Empty
// columns are left out.
type column struct {
	head string
	cell func(*Result) string
}

var columns = []column{
	{"load", func(r *Result) string { return r.Load }},
	{"count", func(r *Result) string { return short(float64(r.Count)) }},
	{"a second", func(r *Result) string { return figure(r.PerSecond) }},
	{"CPU s/M", func(r *Result) string { return figure(perMillion(r)) }},
	{"CPU s", func(r *Result) string {
		if r.CPU == nil || r.Unit == "delivery" || r.Unit == "post" {
			return ""
		}
		return figure(r.CPU.Seconds)
	}},
	{"busy", func(r *Result) string {
		if r.CPU == nil {
			return ""
		}
		return percent(r.CPU.Share)
	}},
	{"p50", func(r *Result) string { return micros(p50(r)) }},
	{"p99", func(r *Result) string { return micros(p99(r)) }},
	{"p99.9", func(r *Result) string {
		if r.Latency == nil {
			return ""
		}
		return micros(r.Latency.P999)
	}},
	{"max", func(r *Result) string {
		if r.Latency == nil {
			return ""
		}
		return micros(r.Latency.Max)
	}},
	{"bytes a client", func(r *Result) string { return figure(perClient(r)) }},
	{"a read", func(r *Result) string { return figure(r.PerRead) }},
	{"bench s/M", func(r *Result) string { return figure(r.BenchCPU.PerMillion) }},
	{"bench busy", func(r *Result) string { return percent(r.BenchCPU.Share) }},
}

// Print writes the report for people: a table that can be pasted into a page of
// Markdown, histograms, and the ratios.
func (r *Report) Print(to io.Writer) error {
	w := bufio.NewWriter(to)
	servers, _ := r.named()
	for _, server := range servers {
		var rs []Result
		for _, m := range r.Medians {
			if m.Server == server {
				rs = append(rs, m)
			}
		}
		fmt.Fprintf(w, "%s: %s, %s\n\n", server, r.Scenario, r.sizes())
		printTable(w, cells(rs))
		printHistograms(w, rs)
	}
	if len(r.Ratios) > 0 {
		fmt.Fprintf(w, "%s over %s, medians of %d rounds\n\n", servers[0], servers[1], r.Settings.Rounds)
		printTable(w, ratioCells(r.Ratios))
	}
	return w.Flush()
}

// sizes tells the settings in words.
func (r *Report) sizes() string {
	s := r.Settings
	text := fmt.Sprintf("%d clients", s.Clients)
	switch r.Scenario {
	case "connect":
		return fmt.Sprintf("%d connections", s.Clients)
	case "rooms":
		text += fmt.Sprintf(" in rooms of %d", s.Members)
	case "fan-out":
		if s.Senders > 1 {
			text += fmt.Sprintf(", %d of them speak", s.Senders)
		}
	}
	if r.Scenario != "idle" && r.Scenario != "join" {
		text += fmt.Sprintf(", %d bytes a message", s.Size)
	}
	if s.Rounds > 1 {
		text += fmt.Sprintf(", medians of %d rounds", s.Rounds)
	}
	return text
}

func cells(rs []Result) [][]string {
	var rows [][]string
	for range len(rs) + 1 {
		rows = append(rows, nil)
	}
	for _, c := range columns {
		empty := true
		column := []string{c.head}
		for i := range rs {
			cell := c.cell(&rs[i])
			empty = empty && cell == ""
			column = append(column, cell)
		}
		if empty {
			continue
		}
		for i := range rows {
			rows[i] = append(rows[i], column[i])
		}
	}
	return rows
}

func ratioCells(ratios []Ratio) [][]string {
	rows := [][]string{{"load", "CPU s/M", "a second", "p50", "p99", "bytes a client"}}
	for _, r := range ratios {
		row := []string{r.Load}
		for _, v := range []float64{r.CPU, r.PerSecond, r.P50, r.P99, r.Memory} {
			row = append(row, figure(v))
		}
		rows = append(rows, row)
	}
	return rows
}

// printTable writes rows, the first of which is the head, in the form of
// Markdown.
func printTable(w io.Writer, rows [][]string) {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell), 2)
		}
	}
	for n, row := range rows {
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i == 0 {
				fmt.Fprintf(w, "| %s%s ", cell, pad)
			} else {
				fmt.Fprintf(w, "| %s%s ", pad, cell)
			}
		}
		fmt.Fprintln(w, "|")
		if n > 0 {
			continue
		}
		for i, width := range widths {
			if i == 0 {
				fmt.Fprintf(w, "| %s ", strings.Repeat("-", width))
			} else {
				fmt.Fprintf(w, "| %s: ", strings.Repeat("-", width-1))
			}
		}
		fmt.Fprintln(w, "|")
	}
	fmt.Fprintln(w)
}

// printHistograms draws the latencies of each load.
func printHistograms(w io.Writer, rs []Result) {
	for _, r := range rs {
		if r.Latency == nil {
			continue
		}
		fmt.Fprintf(w, "%s: so many %s took\n", r.Load, plural(r.Unit))
		most := int64(1)
		for _, b := range r.Latency.Buckets {
			most = max(most, b.Count)
		}
		for _, b := range r.Latency.Buckets {
			const width = 40
			bar := strings.Repeat("#", int(b.Count*width/most))
			fmt.Fprintf(w, "  under %8s  %-*s %s\n", micros(b.Below), width, bar, short(float64(b.Count)))
		}
		fmt.Fprintln(w)
	}
}

// micros shows a time in microseconds. Nothing is shown for 0.
func micros(us float64) string {
	switch {
	case us == 0:
		return ""
	case us >= 999.5e3:
		return figure(us/1e6) + " s"
	case us >= 9999.5:
		return figure(us/1e3) + " ms"
	}
	return figure(us) + " µs"
}

// figure shows a number with three digits that count. Nothing is shown for 0.
func figure(v float64) string {
	switch {
	case v == 0:
		return ""
	case v >= 10000:
		return short(v)
	case v >= 100 || v <= -100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

// short shows a large number: 1.23M.
func short(v float64) string {
	switch {
	case v >= 999.5e3:
		return strconv.FormatFloat(v/1e6, 'g', 3, 64) + "M"
	case v >= 10e3:
		return strconv.FormatFloat(v/1e3, 'g', 3, 64) + "k"
	}
	return strconv.FormatFloat(v, 'f', 0, 64)
}

func plural(unit string) string {
	if stem, ok := strings.CutSuffix(unit, "y"); ok {
		return stem + "ies"
	}
	return unit + "s"
}

func percent(share float64) string { return fmt.Sprintf("%.0f%%", share*100) }
