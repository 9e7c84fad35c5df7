package main

import (
	"github.com/parley-chat/parley/internal/bench"
)

// A batch is one run of parley bench, and the rows of the table that it fills.
type batch struct {
	args  []string // scenario and flags
	posts bool     // only for protocols that answer each message
	crowd bool     // only for servers that bring thousands into rooms within seconds
	rows  []row
}

// A row is one figure of one load.
type row struct {
	name   string
	load   string
	figure func(*bench.Result) float64
}

func perMillion(r *bench.Result) float64 { return r.CPU.PerMillion }
func cpuSeconds(r *bench.Result) float64 { return r.CPU.Seconds }
func perSecond(r *bench.Result) float64  { return r.PerSecond }
func p50(r *bench.Result) float64        { return r.Latency.P50 }
func p99(r *bench.Result) float64        { return r.Latency.P99 }
func perClient(r *bench.Result) float64  { return r.Memory.PerClient }

// started is the row that no batch fills.
const started = "start to accepting, ms"

// suits tells whether a server can be measured so.
func (b *batch) suits(k kind) bool { return (!b.posts || k.answers) && (!b.crowd || k.crowds) }

// batches are the measures, in the order of the table.
var batches = []batch{
	{
		args: []string{"fan-out", "--clients", "1000", "--window", "1,16,256", "--rate", ratePerRoom},
		rows: []row{
			{"room of 1000, w1, CPU s/M", "w1", perMillion},
			{"room of 1000, w16, CPU s/M", "w16", perMillion},
			{"room of 1000, w256, CPU s/M", "w256", perMillion},
			{"room of 1000, 50,000 deliveries a second, p50 µs", "r" + ratePerRoom, p50},
			{"room of 1000, 50,000 deliveries a second, p99 µs", "r" + ratePerRoom, p99},
		},
	},
	{
		args: []string{"fan-out", "--clients", "5000", "--window", "1,256"}, crowd: true,
		rows: []row{
			{"room of 5000, w1, CPU s/M", "w1", perMillion},
			{"room of 5000, w256, CPU s/M", "w256", perMillion},
		},
	},
	{
		args: []string{"rooms", "--clients", "10000", "--window", "256"}, crowd: true,
		rows: []row{{"1000 rooms of 10, w256, CPU s/M", "w256", perMillion}},
	},
	{
		args: []string{"pairs", "--clients", "1000", "--window", "1,256"},
		rows: []row{
			{"private messages, w256, CPU s/M", "w256", perMillion},
			{"private messages, w1, p50 µs", "w1", p50},
		},
	},
	{
		args: []string{"posts", "--window", "1,256"}, posts: true,
		rows: []row{
			{"posts in a room of one, w256, a second", "w256", perSecond},
			{"posts in a room of one, w1, p50 µs", "w1", p50},
		},
	},
	{
		args: []string{"idle", "--clients", "10000"},
		rows: []row{{"resident bytes of an idle client at 10,000", "idle", perClient}},
	},
	{
		args: []string{"connect", "--clients", "5000"},
		rows: []row{{"1000 connections: connect, name, leave, CPU ms", "connect", perMillion}},
	},
	{
		args: []string{"join", "--clients", "1000"},
		rows: []row{{"1000 join one room, CPU s", "join", cpuSeconds}},
	},
}

// ratePerRoom makes 50,000 deliveries a second in a room of 1000 with one sender.
const ratePerRoom = "50.05"
