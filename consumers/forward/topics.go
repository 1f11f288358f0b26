package forward

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"millrace/schemas"
	"millrace/schemas/suggest"
)

// patterns name Shopify topics; * in one stands for any text.
type patterns []string

// match tells whether a Shopify topic is one of those named.
func (p patterns) match(topic string) bool {
	return slices.ContainsFunc(p, func(pattern string) bool { return match(pattern, topic) })
}

func match(pattern, topic string) bool {
	head, rest, wild := strings.Cut(pattern, "*")
	if !wild {
		return pattern == topic
	}
	topic, ok := strings.CutPrefix(topic, head)
	if !ok {
		return false
	}
	for {
		part, more, wild := strings.Cut(rest, "*")
		if !wild {
			return strings.HasSuffix(topic, part)
		}
		// The first place is as good as any: what is left for the rest is the longest.
		if _, topic, ok = strings.Cut(topic, part); !ok {
			return false
		}
		rest = more
	}
}

// Topics returns the Kafka topics that hold the named Shopify topics, in the order of schemas.Domains. The error has every name that
// is in no catalogue, with its key.
func Topics(named []string) ([]string, error) {
	if len(named) == 0 {
		return nil, errors.New("topics must name at least one Shopify topic, such as orders/create or orders/*")
	}
	wanted := map[schemas.Domain]bool{}
	all := schemas.Topics()
	var problems []error
	for i, pattern := range named {
		found := false
		for _, t := range all {
			if match(pattern, t.Name) {
				found, wanted[t.Domain] = true, true
			}
		}
		if !found {
			problems = append(problems, fmt.Errorf("topics[%d] %q is no Shopify topic%s", i, pattern, hint(pattern, all)))
		}
	}
	var topics []string
	for _, d := range schemas.Domains() {
		if wanted[d] {
			topics = append(topics, d.KafkaTopic())
		}
	}
	return topics, errors.Join(problems...)
}

func hint(wrong string, all []schemas.Topic) string {
	names := make([]string, len(all))
	for i, t := range all {
		names[i] = t.Name
	}
	if near := suggest.Nearest(wrong, names); near != "" {
		return "; did you mean " + near + "?"
	}
	return "; * stands for any text, as in orders/*"
}
