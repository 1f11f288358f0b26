package cli

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"millrace/consumers/group/deadletter"
)

func (a *app) retryCommand() *cobra.Command {
	return group("retry", "See which events wait to be tried again", a.retryList())
}

func (a *app) retryList() *cobra.Command {
	var asJSON, keys bool
	var limit int
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the events that wait in the retry topics",
		Long: "List the events that services have put off: failed ones that are due later, and the later events of their entities, which\n" +
			"stand behind them. What is due first comes first; entities that are parked behind a dead letter come last. An event that\n" +
			"stands aside waits for another one, and lets the later ones of its entity pass. Waits that are shorter than\n" +
			"retry.inline_max are held in memory by the service and are not here.",
		Example: "  millrace retry list --service inventory\n" +
			"  millrace retry list --keys --limit 20                 # one row per entity, with how many events it has waiting\n" +
			"  millrace retry list --shop acme --json | jq -r .id",
		Args: cobra.NoArgs,
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().BoolVar(&keys, "keys", false, "one row per entity: its first event, and how many stand behind it")
	cmd.Flags().IntVar(&limit, "limit", 0, "show at most so many; 0 for all (default 100, with --json 0)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object per event and line")
	return a.dlqVerb(cmd, true, func(ctx context.Context, d *desk, f deadletter.Filter) error {
		if !cmd.Flags().Changed("limit") && !asJSON {
			limit = listLimit
		}
		return d.waiting(ctx, f, limit, keys, asJSON)
	})
}

// waitingJSON is a waiting event for scripts. Fields are only ever added.
type waitingJSON struct {
	ID           deadletter.ID `json:"id"`
	Group        string        `json:"group"`
	Topic        string        `json:"topic"`
	Partition    int32         `json:"partition"`
	Offset       int64         `json:"offset"`
	State        string        `json:"state"` // due, behind (another event of its key) or parked (the dead letter that holds its key)
	Due          *time.Time    `json:"due,omitempty"`
	Key          string        `json:"key"`
	Shop         string        `json:"shop,omitempty"`
	Entity       string        `json:"entity,omitempty"`
	ShopifyTopic string        `json:"shopify_topic,omitempty"`
	WebhookID    string        `json:"webhook_id,omitempty"`
	Attempts     int           `json:"attempts"`
	Class        string        `json:"class,omitempty"`
	Error        string        `json:"error,omitempty"`
	Since        time.Time     `json:"since"`
	Aside        bool          `json:"aside,omitempty"` // it waits for another event and lets the later ones of its key pass
	Redriven     bool          `json:"redriven,omitempty"`
	Replay       string        `json:"replay,omitempty"` // the replay that it is handled once more for
	Behind       int           `json:"behind,omitempty"` // of the first of a key: how many stand behind it
}

func waitingState(w *deadletter.Waiting) string {
	switch {
	case w.Parked:
		return "parked"
	case w.Due.IsZero():
		return "behind"
	}
	return "due"
}

func waitingToJSON(w *deadletter.Waiting) waitingJSON {
	return waitingJSON{
		ID: w.ID, Group: w.Group, Topic: w.ID.Topic, Partition: w.ID.Partition, Offset: w.ID.Offset, State: waitingState(w), Due: given(w.Due),
		Key: string(w.Key), Shop: w.Shop, Entity: w.Entity, ShopifyTopic: w.ShopifyTopic, WebhookID: w.WebhookID, Attempts: w.Attempts,
		Class: w.Class, Error: w.Error, Since: w.Since, Aside: w.Aside, Redriven: w.Redriven, Replay: w.Replay, Behind: w.Behind,
	}
}

func (d *desk) waiting(ctx context.Context, f deadletter.Filter, limit int, keys, asJSON bool) error {
	out := d.app.p.Stdout
	var sum waitingSum
	var t *table
	groups := len(d.books) > 1
	for _, b := range d.books {
		q, err := b.Waiting(ctx, f)
		if err != nil {
			return err
		}
		d.bar.clear()
		sum.add(q, keys)
		left := limit - sum.shown
		if q.Keys() == 0 || (limit > 0 && left == 0) {
			continue
		}
		if t == nil && !asJSON {
			t = newTable(out, waitingColumns(keys, groups)...)
		}
		err = b.ReadWaiting(ctx, q, keys, max(left, 0), func(w deadletter.Waiting) error {
			sum.shown++
			if asJSON {
				return jsonLine(out, waitingToJSON(&w))
			}
			return t.row(waitingCells(&w, keys, groups)...)
		})
		if err != nil {
			return err
		}
	}
	if asJSON {
		return nil
	}
	if t != nil {
		if err := t.w.Flush(); err != nil {
			return err
		}
		fmt.Fprintln(out)
	}
	_, err := fmt.Fprintln(out, sum.String())
	return err
}

// waitingSum is the last line of the list.
type waitingSum struct{ events, entities, parked, rows, shown int }

func (s *waitingSum) add(q *deadletter.Queue, keys bool) {
	s.events, s.entities, s.parked = s.events+q.Len(), s.entities+q.Keys(), s.parked+q.Parked()
	if keys {
		s.rows += q.Keys()
	} else {
		s.rows += q.Len() + q.Parked()
	}
}

func (s *waitingSum) String() string {
	line := fmt.Sprintf("%d events of %s wait", s.events, many(s.entities, "entity", "entities"))
	if s.events == 1 {
		line = "1 event waits"
	}
	if s.parked > 0 {
		line += fmt.Sprintf("; %s parked behind a dead letter, see `millrace dlq list`", many(s.parked, "entity is", "entities are"))
	}
	if s.shown < s.rows {
		line += fmt.Sprintf("; shown are %d rows of %d, --limit 0 shows all", s.shown, s.rows)
	}
	return line
}

func waitingColumns(keys, groups bool) []string {
	columns := []string{"ID", "DUE", "TRIES", "SHOP", "ENTITY", "SHOPIFY TOPIC", "SINCE", "ERROR"}
	if keys {
		columns = slices.Insert(columns, 2, "BEHIND")
	}
	if groups {
		columns = slices.Insert(columns, 0, "GROUP")
	}
	return columns
}

func waitingCells(w *deadletter.Waiting, keys, groups bool) []string {
	due := waitingState(w)
	if due == "due" {
		due = stamp(w.Due)
		if w.Aside {
			due += " aside"
		}
	}
	cells := []string{w.ID.String(), due, strconv.Itoa(w.Attempts), w.Shop, w.Entity, w.ShopifyTopic, stamp(w.Since), short(w.Error)}
	if keys {
		cells = slices.Insert(cells, 2, strconv.Itoa(w.Behind))
	}
	if groups {
		cells = slices.Insert(cells, 0, w.Group)
	}
	return cells
}
