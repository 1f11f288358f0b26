package config

import (
	"bytes"
	"cmp"
	"fmt"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Dump returns the effective configuration as YAML. Secrets are masked; what did not come from the defaults says, in a
// comment, where it came from. Loaded as a file it gives the same configuration again, except for secrets: the mask in
// the place of one is refused rather than taken for it.
func (l *Loaded) Dump() ([]byte, error) {
	return dump(&l.Config, l.settings, l.origins)
}

func dump(target any, settings []Setting, origins map[string]Origin) ([]byte, error) {
	root := &yaml.Node{Kind: yaml.MappingNode}
	for _, s := range settings {
		origin := origins[s.Key].String()
		if s.fileOf != "" {
			continue
		}
		if _, fromFile := origins[s.Key+"_file"]; s.Secret && fromFile {
			origin = s.Key + "_file, " + origins[s.Key+"_file"].String()
		}
		path := strings.Split(s.Key, ".")
		parent := root
		for _, name := range path[:len(path)-1] {
			parent = child(parent, name)
		}
		value := node(reflect.ValueOf(target).Elem().FieldByIndex(s.index), s.kind)
		value.LineComment = cmp.Or(origin, "default")
		parent.Content = append(parent.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: path[len(path)-1]}, value)
	}
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	if err := enc.Encode(root); err != nil {
		return nil, fmt.Errorf("write configuration as YAML: %w", err)
	}
	return out.Bytes(), nil
}

func child(parent *yaml.Node, name string) *yaml.Node {
	for i := 0; i < len(parent.Content); i += 2 {
		if parent.Content[i].Value == name {
			return parent.Content[i+1]
		}
	}
	m := &yaml.Node{Kind: yaml.MappingNode}
	parent.Content = append(parent.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: name}, m)
	return m
}

func node(field reflect.Value, k kind) *yaml.Node {
	switch k {
	case kindList:
		list := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
		for i := range field.Len() {
			list.Content = append(list.Content, node(field.Index(i), elementKind(field.Type())))
		}
		return list
	case kindText:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: format(field, k), Style: yaml.DoubleQuotedStyle}
	default:
		return &yaml.Node{Kind: yaml.ScalarNode, Value: format(field, k)}
	}
}
