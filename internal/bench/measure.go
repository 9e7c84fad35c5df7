package bench

import (
	"context"
	"fmt"
	"time"
)

// A meter measures one stretch of a run.
type meter struct {
	pid        int
	begun      time.Time
	cpu, bench time.Duration // when it began
}

func startMeter(pid int) (m meter, err error) {
	m.pid = pid
	if pid != 0 {
		if m.cpu, err = processCPU(pid); err != nil {
			return m, err
		}
	}
	m.bench, m.begun = ownCPU(), time.Now()
	return m, nil
}

// stop fills in what it was about: count things in so much time, or since the
// meter began if took is 0.
func (m meter) stop(r *Result, count int64, took time.Duration) error {
	bench := ownCPU() - m.bench
	elapsed := time.Since(m.begun)
	if took == 0 {
		took = elapsed
	}
	r.Count, r.Seconds = count, took.Seconds()
	if took > 0 {
		r.PerSecond = float64(count) / took.Seconds()
	}
	r.BenchCPU = cpu(bench, count, elapsed)
	if m.pid == 0 {
		return nil
	}
	now, err := processCPU(m.pid)
	if err != nil {
		return err
	}
	c := cpu(now-m.cpu, count, elapsed)
	r.CPU = &c
	return nil
}

func cpu(used time.Duration, count int64, elapsed time.Duration) CPU {
	return CPU{
		Seconds:    used.Seconds(),
		PerMillion: used.Seconds() / float64(max(count, 1)) * 1e6,
		Share:      used.Seconds() / elapsed.Seconds(),
	}
}

// measure plays one load, after a while of it that is not measured.
func (b *run) measure(ctx context.Context, l load) error {
	e := b.engine
	private := e.streams[0].private
	b.say(l.name()+" warming up", 0)
	if b.o.WarmUp > 0 {
		if _, err := e.play(ctx, l, span{time: b.o.WarmUp}, func(float64) {}); err != nil {
			return err
		}
		if err := e.settle(ctx, private); err != nil {
			return err
		}
	}
	e.hist.Reset()
	e.reads = 0
	before := e.delivered
	m, err := startMeter(b.target.PID)
	if err != nil {
		return err
	}
	s := span{messages: int(b.o.Deliveries / e.perMessage()), time: b.o.For}
	if b.o.Deliveries > 0 {
		s.messages = max(s.messages, 1)
	}
	took, err := e.play(ctx, l, s, func(share float64) { b.say(l.name(), share) })
	if err != nil {
		return err
	}
	r := b.result(l.name(), b.unit())
	if err := m.stop(&r, e.delivered-before, took); err != nil {
		return err
	}
	r.PerRead = float64(r.Count) / float64(max(e.reads, 1))
	r.Latency = e.latency()
	if err := e.settle(ctx, private); err != nil {
		return err
	}
	b.add(r)
	return nil
}

func (b *run) unit() string {
	if b.engine.acksRun {
		return "post"
	}
	return "delivery"
}

// result begins a result.
func (b *run) result(load, unit string) Result {
	return Result{Server: b.target.URL, Round: b.round, Load: load, Unit: unit}
}

// latency sums the histogram up.
func (e *engine) latency() *Latency {
	const us = 1e3 // ns
	l := &Latency{
		Mean: e.hist.Mean() / us,
		P50:  float64(e.hist.ValueAtQuantile(50)) / us,
		P99:  float64(e.hist.ValueAtQuantile(99)) / us,
		P999: float64(e.hist.ValueAtQuantile(99.9)) / us,
		Max:  float64(e.hist.Max()) / us,
	}
	counts := map[float64]int64{}
	for _, bar := range e.hist.Distribution() {
		if bar.Count > 0 {
			counts[below(float64(bar.From)/us)] += bar.Count
		}
	}
	for b := 1.0; len(counts) > 0; b *= 2 {
		if n, ok := counts[b]; ok {
			l.Buckets = append(l.Buckets, Bucket{b, n})
			delete(counts, b)
		}
	}
	return l
}

// below is the least power of two, at least 1, that is above a value.
func below(v float64) float64 {
	b := 1.0
	for b <= v {
		b *= 2
	}
	return b
}

// say is a line of progress.
func (b *run) say(what string, share float64) {
	b.doing, b.share = what, share
}

// status is the line of progress: which server, what, how far, how fast.
func (b *run) status() string {
	e := b.engine
	text := fmt.Sprintf("%s %s", b.target.URL, b.o.Scenario)
	if b.o.Rounds > 1 {
		text += fmt.Sprintf(" round %d/%d", b.round, b.o.Rounds)
	}
	text += " " + b.doing
	if b.share > 0 {
		text += fmt.Sprintf(" %.0f%%", b.share*100)
	}
	now := time.Now()
	if since := now.Sub(b.shown); b.lastSeen > 0 && e.delivered > b.lastSeen && since > 0 {
		text += fmt.Sprintf(" %s/s", short(float64(e.delivered-b.lastSeen)/since.Seconds()))
	}
	b.shown, b.lastSeen = now, e.delivered
	return text
}
