package grafana

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Source is a data source by the uid that provisioning/ gives it.
type Source string

// The data sources of the dashboards.
const (
	Prometheus Source = "prometheus"
	ClickHouse Source = "clickhouse"
)

// Dashboard is one file.
type Dashboard struct {
	UID, Title, About string
	Refresh, From     string
	Shop              bool // has the variable shop
	Panels            []Panel
}

// Panel is one picture. Panels fill rows of 24 columns from left to right.
type Panel struct {
	Title, About string
	Kind         string // timeseries, stat, barchart or table
	Unit         string // Grafana's name of it; "" for a plain number
	Width        int    // of 24 columns
	Source       Source
	Queries      []Query
}

// Query is one query of a panel.
type Query struct {
	Text    string
	Legend  string   // of Prometheus series, with {{label}}
	Columns []string // of a ClickHouse result: what the panel draws, by name
}

// File is the dashboard as Grafana reads it.
func (d Dashboard) File() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(d.model()); err != nil {
		return nil, fmt.Errorf("encode dashboard %s: %w", d.UID, err)
	}
	return b.Bytes(), nil
}

type object = map[string]any

func (d Dashboard) model() object {
	panels := make([]object, 0, len(d.Panels))
	const height, columns = 8, 24
	x, y := 0, 0
	for i, p := range d.Panels {
		if x+p.Width > columns {
			x, y = 0, y+height
		}
		m := p.model()
		m["id"] = i + 1
		m["gridPos"] = object{"x": x, "y": y, "w": p.Width, "h": height}
		panels = append(panels, m)
		x += p.Width
	}
	variables := []object{}
	if d.Shop {
		variables = append(variables, object{
			"name": "shop", "label": "Shop", "type": "query", "datasource": ClickHouse.model(), "query": shopsQuery, "definition": shopsQuery,
			// Grafana puts the value for "all" into the query as it is, without the quotes of the others.
			"includeAll": true, "multi": true, "allValue": "'*'", "current": object{"text": "All", "value": []string{"$__all"}}, "refresh": 2, "sort": 1,
		})
	}
	return object{
		"uid": d.UID, "title": d.Title, "description": d.About, "tags": []string{"millrace"}, "schemaVersion": 39, "version": 1, "editable": true,
		"refresh": d.Refresh, "time": object{"from": d.From, "to": "now"}, "timezone": "utc", "graphTooltip": 1,
		"templating": object{"list": variables}, "annotations": object{"list": []object{}}, "panels": panels,
	}
}

func (s Source) model() object {
	kind := "prometheus"
	if s == ClickHouse {
		kind = "grafana-clickhouse-datasource"
	}
	return object{"type": kind, "uid": string(s)}
}

func (p Panel) model() object {
	defaults, options := object{"unit": p.Unit}, object{}
	switch p.Kind {
	case "timeseries":
		defaults["custom"] = object{"drawStyle": "line", "lineWidth": 1, "fillOpacity": 10, "showPoints": "auto"}
		options = object{"legend": object{"displayMode": "list", "placement": "bottom"}, "tooltip": object{"mode": "multi", "sort": "desc"}}
	case "stat":
		options = object{"reduceOptions": object{"calcs": []string{"lastNotNull"}, "fields": "", "values": p.Source == ClickHouse}, "colorMode": "value", "graphMode": "area", "textMode": "auto"}
	case "barchart":
		options = object{"orientation": "horizontal", "legend": object{"displayMode": "list", "placement": "bottom"}}
	}
	targets := make([]object, len(p.Queries))
	for i, q := range p.Queries {
		targets[i] = q.model(p, string(rune('A'+i)))
	}
	return object{
		"type": p.Kind, "title": p.Title, "description": p.About, "datasource": p.Source.model(),
		"fieldConfig": object{"defaults": defaults, "overrides": []object{}}, "options": options, "targets": targets,
	}
}

func (q Query) model(p Panel, ref string) object {
	m := object{"refId": ref, "datasource": p.Source.model()}
	if p.Source == ClickHouse {
		kind, format := "table", 1
		if p.Kind == "timeseries" {
			kind, format = "timeseries", 0
		}
		m["editorType"], m["queryType"], m["format"], m["rawSql"] = "sql", kind, format, q.Text
		return m
	}
	m["expr"], m["legendFormat"], m["editorMode"] = q.Text, q.Legend, "code"
	if p.Kind == "timeseries" {
		m["range"] = true
	} else {
		m["instant"] = true
	}
	return m
}
