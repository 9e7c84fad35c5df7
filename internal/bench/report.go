package bench

// A Report is what a run found. It is also what --json prints.
type Report struct {
	Scenario string   `json:"scenario"`
	Settings Settings `json:"settings"`
	Results  []Result `json:"results"`          // in the order in which they were measured
	Medians  []Result `json:"medians"`          // over the rounds, one for each server and load
	Ratios   []Ratio  `json:"ratios,omitempty"` // of two servers
	Error    string   `json:"error,omitempty"`  // why the run failed; the results are those before it
}

// Settings are the sizes of a run.
type Settings struct {
	Clients int `json:"clients"`
	Members int `json:"members"` // of one room
	Senders int `json:"senders"` // in one room
	Size    int `json:"size"`    // bytes of a payload
	Rounds  int `json:"rounds"`
}

// A Result is one measurement of one server.
type Result struct {
	Server    string   `json:"server"` // the URL
	Round     int      `json:"round"`  // from 1; 0: a median
	Load      string   `json:"load"`   // w16: a window of 16; r50: 50 messages a second; else what was done
	Unit      string   `json:"unit"`   // what is counted: delivery, post, connection, join, client
	Count     int64    `json:"count"`
	Seconds   float64  `json:"seconds"`
	PerSecond float64  `json:"perSecond"`
	PerRead   float64  `json:"perRead,omitempty"` // deliveries found by one read: near 1, the server writes each by itself
	CPU       *CPU     `json:"cpu,omitempty"`     // of the server; absent without its pid
	BenchCPU  CPU      `json:"benchCPU"`          // of this tool
	Latency   *Latency `json:"latency,omitempty"`
	Memory    *Memory  `json:"memory,omitempty"` // absent without the server's pid
}

// CPU is processor time of a process.
type CPU struct {
	Seconds    float64 `json:"seconds"`
	PerMillion float64 `json:"perMillion"` // seconds for a million of what is counted: microseconds for one
	Share      float64 `json:"share"`      // of one core, while it was measured
}

// Latency is the distribution of what one delivery, or answer, took, in
// microseconds. Values are within one hundredth of the true ones.
type Latency struct {
	Mean    float64  `json:"mean"`
	P50     float64  `json:"p50"`
	P99     float64  `json:"p99"`
	P999    float64  `json:"p999"`
	Max     float64  `json:"max"`
	Buckets []Bucket `json:"buckets"` // without empty ones
}

// A Bucket of a histogram counts what took less than Below microseconds, and no
// less than half of that.
type Bucket struct {
	Below float64 `json:"below"`
	Count int64   `json:"count"`
}

// Memory is what the connections cost in resident memory, in bytes.
type Memory struct {
	Before    int64   `json:"before"` // of the server, without clients
	Resident  int64   `json:"resident"`
	PerClient float64 `json:"perClient"`
}

// A Ratio compares two servers under one load: the median, over the rounds, of
// the first one's value divided by the second one's in the same round. It is 0
// when it was not measured.
type Ratio struct {
	Load      string  `json:"load"`
	CPU       float64 `json:"cpu"` // for a million
	PerSecond float64 `json:"perSecond"`
	P50       float64 `json:"p50"`
	P99       float64 `json:"p99"`
	Memory    float64 `json:"memory"` // of a client
}
