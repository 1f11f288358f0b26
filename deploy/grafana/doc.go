// Package grafana holds the dashboards: what they show is written down here, the JSON files in dashboards/ are made from it, and a test
// tells when they are behind (go test ./deploy/grafana -update writes them). The folder provisioning/ is Grafana's own configuration:
// two data sources, prometheus and clickhouse (plugin grafana-clickhouse-datasource), and where the dashboards are.
package grafana
