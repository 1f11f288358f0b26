package flood

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Report is what a load test measured. Times are in microseconds.
type Report struct {
	Connections int              `json:"connections"`
	BodyBytes   int              `json:"body_bytes"`
	TargetRate  float64          `json:"target_rate"` // 0: closed loop
	Seconds     float64          `json:"seconds"`
	Requests    int64            `json:"requests"` // answered, with any status
	PerSecond   float64          `json:"requests_per_second"`
	Statuses    map[int]int64    `json:"statuses"`
	Faults      map[string]int64 `json:"faults"` // requests without an answer: connect, connection, timeout, protocol
	Reconnects  int64            `json:"reconnects"`
	Latency     Quantiles        `json:"latency_us"` // from the time due
	Service     Quantiles        `json:"service_us"` // from the write; equals Latency in a closed loop
	LastError   string           `json:"last_error,omitempty"`

	connected int64
}

// Quantiles describe a distribution, in microseconds.
type Quantiles struct {
	Mean float64 `json:"mean"`
	P50  int64   `json:"p50"`
	P90  int64   `json:"p90"`
	P99  int64   `json:"p99"`
	P999 int64   `json:"p99_9"`
	Max  int64   `json:"max"`
}

func quantiles(h *hdrhistogram.Histogram) Quantiles {
	return Quantiles{
		Mean: h.Mean(), P50: h.ValueAtQuantile(50), P90: h.ValueAtQuantile(90), P99: h.ValueAtQuantile(99), P999: h.ValueAtQuantile(99.9), Max: h.Max(),
	}
}

func merge(cfg Config, conns []*conn, took time.Duration) *Report {
	r := &Report{
		Connections: cfg.Connections, BodyBytes: cfg.BodySize, TargetRate: cfg.Rate, Seconds: took.Seconds(),
		Statuses: map[int]int64{}, Faults: map[string]int64{},
	}
	latency, service := histogram(), histogram()
	for _, c := range conns {
		latency.Merge(c.latency)
		service.Merge(c.service)
		for code, n := range c.codes {
			r.Statuses[code] += n
			r.Requests += n
		}
		for kind, n := range c.faults {
			r.Faults[kind] += n
		}
		r.connected += c.dials
		if c.lastErr != nil {
			r.LastError = c.lastErr.Error()
		}
	}
	r.Reconnects = max(0, r.connected-int64(cfg.Connections))
	r.Latency, r.Service = quantiles(latency), quantiles(service)
	if took > 0 {
		r.PerSecond = float64(r.Requests) / took.Seconds()
	}
	return r
}

// Failed counts the requests that were not answered 2xx.
func (r *Report) Failed() int64 {
	failed := int64(0)
	for code, n := range r.Statuses {
		if code < 200 || code > 299 {
			failed += n
		}
	}
	for _, n := range r.Faults {
		failed += n
	}
	return failed
}

// WriteText prints the report for people.
func (r *Report) WriteText(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	mode := "closed loop"
	if r.TargetRate > 0 {
		mode = fmt.Sprintf("open loop at %.0f/s", r.TargetRate)
	}
	fmt.Fprintf(w, "load\t%d connections, %d byte bodies, %s, %.1f s\n", r.Connections, r.BodyBytes, mode, r.Seconds)
	fmt.Fprintf(w, "requests\t%d\n", r.Requests)
	fmt.Fprintf(w, "per second\t%.0f\n", r.PerSecond)
	for _, code := range slices.Sorted(maps.Keys(r.Statuses)) {
		fmt.Fprintf(w, "status %d\t%d\n", code, r.Statuses[code])
	}
	for _, kind := range slices.Sorted(maps.Keys(r.Faults)) {
		fmt.Fprintf(w, "no answer: %s\t%d\n", kind, r.Faults[kind])
	}
	if r.Reconnects > 0 {
		fmt.Fprintf(w, "reconnects\t%d\n", r.Reconnects)
	}
	if r.LastError != "" {
		fmt.Fprintf(w, "last error\t%s\n", r.LastError)
	}
	fmt.Fprintf(w, "latency\tp50 %s  p90 %s  p99 %s  p99.9 %s  max %s\n", ms(r.Latency.P50), ms(r.Latency.P90), ms(r.Latency.P99), ms(r.Latency.P999), ms(r.Latency.Max))
	if r.TargetRate > 0 {
		fmt.Fprintf(w, "service\tp50 %s  p90 %s  p99 %s  p99.9 %s  max %s\n", ms(r.Service.P50), ms(r.Service.P90), ms(r.Service.P99), ms(r.Service.P999), ms(r.Service.Max))
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

func ms(us int64) string { return fmt.Sprintf("%.2f ms", float64(us)/1000) }
