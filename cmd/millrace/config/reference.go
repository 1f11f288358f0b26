package config

import (
	"fmt"
	"reflect"
	"strings"
)

// Reference is the table of all settings as README shows it, in Markdown.
func Reference() string {
	defaults := Default()
	var b strings.Builder
	b.WriteString("| key | environment | default | what it does |\n|---|---|---|---|\n")
	settings := settingsOf(&defaults)
	shown := defaultsOf(&defaults, settings)
	for _, s := range settings {
		value := shown[s.Key]
		if value != "" {
			value = "`" + value + "`"
		}
		fmt.Fprintf(&b, "| `%s` | `%s` | %s | %s |\n", s.Key, s.Env, value, strings.ReplaceAll(s.Help, "|", "\\|"))
	}
	return b.String()
}

func defaultsOf(target any, settings []Setting) map[string]string {
	root := reflect.ValueOf(target).Elem()
	shown := make(map[string]string, len(settings))
	for _, s := range settings {
		if s.fileOf == "" {
			shown[s.Key] = format(root.FieldByIndex(s.index), s.kind)
		}
	}
	return shown
}
