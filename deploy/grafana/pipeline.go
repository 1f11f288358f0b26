package grafana

// lines is a panel of Prometheus series.
func lines(title, about, unit string, queries ...Query) Panel {
	return Panel{Title: title, About: about, Kind: "timeseries", Unit: unit, Width: 12, Source: Prometheus, Queries: queries}
}

// number is a panel of one Prometheus number.
func number(title, about, unit, expr string) Panel {
	return Panel{Title: title, About: about, Kind: "stat", Unit: unit, Width: 6, Source: Prometheus, Queries: []Query{{Text: expr}}}
}

// quantiles are the median and the tail of a histogram, by the labels.
func quantiles(metric, by, legend string) []Query {
	group := "le"
	if by != "" {
		group += ", " + by
	}
	var out []Query
	for _, q := range []struct{ at, name string }{{"0.5", "p50"}, {"0.99", "p99"}} {
		out = append(out, Query{Text: "histogram_quantile(" + q.at + ", sum by (" + group + ") (rate(" + metric + "_bucket[$__rate_interval])))", Legend: q.name + legend})
	}
	return out
}

// Pipeline is for operators: whether events come in, get through and arrive.
func Pipeline() Dashboard {
	return Dashboard{
		UID: "millrace-pipeline", Title: "Millrace: pipeline", About: "Webhooks in, events through Kafka, rows into ClickHouse.", Refresh: "10s", From: "now-1h",
		Panels: []Panel{
			number("ClickHouse up", "1 when the last contact of every sink succeeded.", "short", "min(millrace_analytics_clickhouse_up)"),
			number("Oldest event not in ClickHouse", "Age of the oldest event that a sink holds and has not committed.", "s", "max(millrace_analytics_lag_seconds)"),
			number("Open dead letters", "Events given up that nobody has redriven or dropped yet.", "short", "sum(millrace_group_dead_letters)"),
			number("Deliveries refused", "Webhooks answered 503 or 500 in the last five minutes; Shopify sends them again.", "short",
				`sum(increase(millrace_ingest_requests_total{outcome=~"overloaded|buffer_full|ack_timeout|produce_failed|handler_panicked"}[5m]))`),
			lines("Events received", "Events acknowledged by Kafka, by Kafka topic.", "cps", Query{"sum by (topic) (rate(millrace_ingest_events_total[$__rate_interval]))", "{{topic}}", nil}),
			lines("Deliveries by outcome", "Requests to the public listener.", "reqps", Query{"sum by (outcome) (rate(millrace_ingest_requests_total[$__rate_interval])) > 0", "{{outcome}}", nil}),
			lines("Time to answer a delivery", "Shopify gives up after five seconds.", "s", quantiles("millrace_ingest_request_seconds", "", "")...),
			lines("Time of Kafka's acknowledgement", "From handing an event to the producer to Kafka's answer.", "s", quantiles("millrace_ingest_ack_seconds", "", "")...),
			lines("Lag of the sinks in seconds", "Age of the oldest record held and not committed, by Kafka topic.", "s", Query{"max by (topic) (millrace_analytics_lag_seconds) >= 0", "{{topic}}", nil}),
			lines("Lag of the sinks in records", "Records not yet inserted and committed, by Kafka topic.", "short", Query{"sum by (topic) (millrace_analytics_lag_records >= 0)", "{{topic}}", nil}),
			lines("Lag of the services in seconds", "Age of the oldest event that a service has read and not finished.", "s", Query{"max by (service) (millrace_group_queue_seconds)", "{{service}}", nil}),
			lines("Events waiting in the services", "Read and not finished, and waiting for their next try.", "short",
				Query{"sum by (service) (millrace_group_queue_records)", "{{service}} in memory", nil}, Query{"sum by (service) (millrace_group_waiting_records)", "{{service}} to be tried again", nil}),
			lines("Rows inserted", "Rows that ClickHouse acknowledged.", "cps", Query{"sum(rate(millrace_analytics_rows_inserted_total[$__rate_interval]))", "rows", nil}),
			lines("Failed inserts", "By what an operator has to look at. All but those of class value are repeated.", "cps", Query{"sum by (class) (rate(millrace_analytics_insert_failures_total[$__rate_interval])) > 0", "{{class}}", nil}),
			lines("Time of an insert", "One try, failed ones included.", "s", quantiles("millrace_analytics_insert_duration_seconds", "", "")...),
			lines("Webhook to row", "From the receipt of a webhook to the acknowledgement of its row.", "s", quantiles("millrace_analytics_end_to_end_seconds", "", "")...),
			lines("Rows repaired", "Rows that ClickHouse had acknowledged and that were missing when read back.", "short", Query{"sum(increase(millrace_analytics_rows_repaired_total[$__rate_interval]))", "rows", nil}),
			lines("Dead letters", "Events given up, by service and the class of their last error.", "short", Query{"sum by (service, class) (increase(millrace_group_dead_letters_total[$__rate_interval])) > 0", "{{service}} {{class}}", nil}),
			{
				Title: "Events stored per minute", About: "By Shopify topic, as they are in ClickHouse.", Kind: "timeseries", Unit: "short", Width: 12, Source: ClickHouse,
				Queries: []Query{{
					Text:    "SELECT minute AS time, shopify_topic, sum(events_by_minute.events) AS value FROM events_by_minute\nWHERE $__timeFilter(minute) GROUP BY time, shopify_topic ORDER BY time",
					Columns: []string{"time", "shopify_topic", "value"},
				}},
			},
			{
				Title: "Delay from Shopify to ClickHouse", About: "Averages per minute: from the trigger in Shopify to the receipt, and from there to the row.", Kind: "timeseries", Unit: "ms", Width: 12, Source: ClickHouse,
				Queries: []Query{{
					Text:    "SELECT minute AS time, sum(delivery_ms) / sum(events_by_minute.events) AS delivery, sum(storing_ms) / sum(events_by_minute.events) AS storing FROM events_by_minute\nWHERE $__timeFilter(minute) GROUP BY time ORDER BY time",
					Columns: []string{"time", "delivery", "storing"},
				}},
			},
		},
	}
}

// Runtime is for whoever looks after the services and the processes.
func Runtime() Dashboard {
	return Dashboard{
		UID: "millrace-runtime", Title: "Millrace: runtime", About: "Services, their dependencies, and the processes.", Refresh: "10s", From: "now-1h",
		Panels: []Panel{
			lines("Time of a handler", "One try.", "s", quantiles("millrace_group_handler_seconds", "service", " {{service}}")...),
			lines("Webhook to end of handling", "From the receipt of a webhook to the end of its handling by a service.", "s", quantiles("millrace_group_end_to_end_seconds", "service", " {{service}}")...),
			lines("Verdicts", "Tries by what they came to.", "cps", Query{"sum by (service, verdict) (rate(millrace_group_verdicts_total[$__rate_interval])) > 0", "{{service}} {{verdict}}", nil}),
			lines("Retries", "Tries that are to be repeated, by where they wait.", "cps", Query{"sum by (service, where) (rate(millrace_group_retries_total[$__rate_interval])) > 0", "{{service}} {{where}}", nil}),
			lines("Dead letters", "Open ones, in the partitions of the members.", "short", Query{"sum by (service) (millrace_group_dead_letters)", "{{service}}", nil}),
			lines("Keys", "Keys whose next event waits for a time, and keys that wait for a person.", "short",
				Query{"sum by (service) (millrace_group_waiting_keys)", "{{service}} waiting", nil}, Query{"sum by (service) (millrace_group_parked_keys)", "{{service}} parked", nil}),
			lines("Breakers", "0 closed, 1 half open, 2 open.", "short", Query{"max by (name) (millrace_group_breaker_state)", "{{name}}", nil}),
			lines("Calls to dependencies", "By what came of them.", "cps", Query{"sum by (name, result) (rate(millrace_group_calls_total[$__rate_interval])) > 0", "{{name}} {{result}}", nil}),
			lines("Time of a call", "Failed ones included.", "s", quantiles("millrace_group_call_duration_seconds", "name", " {{name}}")...),
			lines("Buffers", "Bytes of events held in memory.", "bytes", Query{"sum by (service) (millrace_group_buffer_bytes)", "{{service}}", nil}, Query{"sum(millrace_analytics_buffered_bytes)", "analytics", nil},
				Query{"sum(millrace_ingest_in_flight_bytes)", "ingest", nil}),
			lines("Rebalances", "Partitions assigned, revoked in order, or lost.", "short", Query{"sum by (service, kind) (increase(millrace_group_rebalances_total[$__rate_interval])) > 0", "{{service}} {{kind}}", nil}),
			lines("Time of a transaction", "From its first record to its commit.", "s", quantiles("millrace_group_transaction_seconds", "service", " {{service}}")...),
			lines("Memory", "Resident memory, and the heap of Go.", "bytes", Query{"process_resident_memory_bytes{job=\"millrace\"}", "{{instance}} resident", nil}, Query{"go_memstats_heap_inuse_bytes{job=\"millrace\"}", "{{instance}} heap", nil}),
			lines("CPU", "Cores in use.", "short", Query{"rate(process_cpu_seconds_total{job=\"millrace\"}[$__rate_interval])", "{{instance}}", nil}),
			lines("Goroutines", "A number that only grows is a leak.", "short", Query{"go_goroutines{job=\"millrace\"}", "{{instance}}", nil}),
			lines("Garbage collection", "The longest pause of the last cycles.", "s", Query{"go_gc_duration_seconds{job=\"millrace\", quantile=\"1\"}", "{{instance}}", nil}),
		},
	}
}

// Dashboards are all of them.
func Dashboards() []Dashboard { return []Dashboard{Business(), Pipeline(), Runtime()} }
