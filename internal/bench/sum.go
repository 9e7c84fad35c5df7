package bench

import "slices"

// sum fills in the medians and the ratios.
func (r *Report) sum() {
	servers, loads := r.named()
	for _, load := range loads {
		for _, server := range servers {
			if rs := r.of(server, load); len(rs) > 0 {
				r.Medians = append(r.Medians, medianOf(rs))
			}
		}
		if len(servers) == 2 {
			r.Ratios = append(r.Ratios, ratioOf(load, r.of(servers[0], load), r.of(servers[1], load)))
		}
	}
}

// named gives the servers and the loads, in the order of the results.
func (r *Report) named() (servers, loads []string) {
	for _, x := range r.Results {
		if !slices.Contains(servers, x.Server) {
			servers = append(servers, x.Server)
		}
		if !slices.Contains(loads, x.Load) {
			loads = append(loads, x.Load)
		}
	}
	return servers, loads
}

// of gives the results of one server under one load, by round.
func (r *Report) of(server, load string) []Result {
	var rs []Result
	for _, x := range r.Results {
		if x.Server == server && x.Load == load {
			rs = append(rs, x)
		}
	}
	return rs
}

// median gives the middle of some values, or the mean of the two in the middle.
// What is 0 was not measured and does not count.
func median(values []float64) float64 {
	values = slices.DeleteFunc(slices.Clone(values), func(v float64) bool { return v == 0 })
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	n := len(values)
	return (values[n/2] + values[(n-1)/2]) / 2
}

// medianBy is the median of one figure of some results.
func medianBy(rs []Result, figure func(*Result) float64) float64 {
	var values []float64
	for i := range rs {
		values = append(values, figure(&rs[i]))
	}
	return median(values)
}

// medianOf is a result whose every figure is the median of those of several
// rounds. Its histogram is the sum of theirs.
func medianOf(rs []Result) Result {
	m := rs[0]
	m.Round = 0
	m.Count = int64(medianBy(rs, func(r *Result) float64 { return float64(r.Count) }))
	m.Seconds = medianBy(rs, func(r *Result) float64 { return r.Seconds })
	m.PerSecond = medianBy(rs, perSecond)
	m.PerRead = medianBy(rs, func(r *Result) float64 { return r.PerRead })
	m.BenchCPU = medianCPU(rs, func(r *Result) *CPU { return &r.BenchCPU })
	if m.CPU != nil {
		c := medianCPU(rs, func(r *Result) *CPU { return r.CPU })
		m.CPU = &c
	}
	if m.Latency != nil {
		m.Latency = &Latency{
			Mean: medianBy(rs, func(r *Result) float64 { return r.Latency.Mean }),
			P50:  medianBy(rs, p50), P99: medianBy(rs, p99),
			P999: medianBy(rs, func(r *Result) float64 { return r.Latency.P999 }),
			Max:  medianBy(rs, func(r *Result) float64 { return r.Latency.Max }),
		}
		m.Latency.Buckets = addBuckets(rs)
	}
	return m
}

func medianCPU(rs []Result, of func(*Result) *CPU) CPU {
	return CPU{
		Seconds:    medianBy(rs, func(r *Result) float64 { return of(r).Seconds }),
		PerMillion: medianBy(rs, func(r *Result) float64 { return of(r).PerMillion }),
		Share:      medianBy(rs, func(r *Result) float64 { return of(r).Share }),
	}
}

func addBuckets(rs []Result) []Bucket {
	var all []Bucket
	for _, r := range rs {
		for _, b := range r.Latency.Buckets {
			i, found := slices.BinarySearchFunc(all, b, func(x, y Bucket) int { return int(x.Below - y.Below) })
			if found {
				all[i].Count += b.Count
			} else {
				all = slices.Insert(all, i, b)
			}
		}
	}
	return all
}

// The figures that are compared; 0 where they were not measured.
func perSecond(r *Result) float64 { return r.PerSecond }

func perMillion(r *Result) float64 {
	if r.CPU == nil {
		return 0
	}
	return r.CPU.PerMillion
}

func p50(r *Result) float64 {
	if r.Latency == nil {
		return 0
	}
	return r.Latency.P50
}

func p99(r *Result) float64 {
	if r.Latency == nil {
		return 0
	}
	return r.Latency.P99
}

func perClient(r *Result) float64 {
	if r.Memory == nil {
		return 0
	}
	return r.Memory.PerClient
}

// ratioOf compares the rounds of two servers one by one.
func ratioOf(load string, a, b []Result) Ratio {
	of := func(figure func(*Result) float64) float64 {
		var ratios []float64
		for i := range min(len(a), len(b)) {
			if x, y := figure(&a[i]), figure(&b[i]); y != 0 {
				ratios = append(ratios, x/y)
			}
		}
		return median(ratios)
	}
	return Ratio{Load: load, CPU: of(perMillion), PerSecond: of(perSecond), P50: of(p50), P99: of(p99), Memory: of(perClient)}
}
