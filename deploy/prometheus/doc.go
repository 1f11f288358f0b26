// Package prometheus holds Prometheus' configuration as files: what to scrape, recorded rates, alerts and the tests of the alerts
// (promtool test rules). There is no code here but the tests that check the files against what a running millrace exports.
package prometheus
