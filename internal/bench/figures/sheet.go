package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// A sheet is the table as it fills: for each row and server a value of each round.
type sheet struct {
	kinds []kind
	cells map[[2]string]map[int]float64
	load  string // the load average when it began
}

func newSheet() *sheet { return &sheet{cells: map[[2]string]map[int]float64{}, load: loadAverage()} }

// set takes one value. What is measured several times in a round keeps the last.
func (s *sheet) set(row, server string, round int, value float64) {
	at := [2]string{row, server}
	if s.cells[at] == nil {
		s.cells[at] = map[int]float64{}
	}
	s.cells[at][round] = value
}

// print writes the table in the form of Markdown, and what is to be known of it.
func (s *sheet) print(w io.Writer, rounds int) error {
	var b strings.Builder
	b.WriteString("| measure |")
	for _, k := range s.kinds {
		b.WriteString(" " + k.name + " |")
	}
	b.WriteString("\n| --- |" + strings.Repeat(" ---: |", len(s.kinds)) + "\n")
	for _, name := range rowNames() {
		if line, found := s.line(name); found {
			b.WriteString(line)
		}
	}
	fmt.Fprintf(&b, "\nMedians of %d rounds, each on a server freshly started; in parentheses the median of the rounds' ratios to\n"+
		"%s. %s. Load average %s before, %s after.", rounds, rival, machine(), s.load, loadAverage())
	if took, err := fsyncTime(); err == nil {
		fmt.Fprintf(&b, " A write of 4 KiB and an fsync took\n%d µs (median of 200).", took.Microseconds())
	}
	_, err := fmt.Fprintln(w, b.String())
	return err
}

// rowNames are the rows in the order of the table.
func rowNames() []string {
	var names []string
	for _, b := range batches {
		for _, r := range b.rows {
			names = append(names, r.name)
		}
	}
	return append(names, started)
}

// line is one row of the table, and whether anything is in it.
func (s *sheet) line(name string) (line string, found bool) {
	line = "| " + name + " |"
	for _, k := range s.kinds {
		own, other := s.cells[[2]string{name, k.name}], s.cells[[2]string{name, rival}]
		if len(own) == 0 {
			line += " – |"
			continue
		}
		found = true
		line += " " + number(median(values(own)))
		if k.name != rival && len(other) > 0 {
			line += " (" + strconv.FormatFloat(median(ratios(own, other)), 'f', 2, 64) + ")"
		}
		line += " |"
	}
	return line + "\n", found
}

func values(cells map[int]float64) []float64 {
	var all []float64
	for _, v := range cells {
		all = append(all, v)
	}
	return all
}

// ratios compares round by round.
func ratios(own, other map[int]float64) []float64 {
	var all []float64
	for round, v := range own {
		if w := other[round]; w != 0 {
			all = append(all, v/w)
		}
	}
	return all
}

// median is the middle value; nothing has the median 0.
func median(all []float64) float64 {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	n := len(all)
	return (all[n/2] + all[(n-1)/2]) / 2
}

// number shows three digits that count.
func number(v float64) string {
	if v >= 1000 || v <= -1000 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

// machine tells where it was measured.
func machine() string {
	return fmt.Sprintf("%s/%s, %d cores, %s", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version())
}

// loadAverage is what others did on the machine in the last minute.
func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(text), " ")
	return first
}
