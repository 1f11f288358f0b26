package cli

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"millrace/schemas/secret"
)

// bind makes a flag of every field of the struct that cfg points to, named by its mapstructure tag with dashes and explained by
// its help tag; the field's value is the default. Fields whose tag is a dash have no flag; others may have the types below and no others, which the first run of any
// command would tell.
func bind(fs *pflag.FlagSet, cfg any) {
	v := reflect.ValueOf(cfg).Elem()
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if f.Tag.Get("mapstructure") == "-" {
			continue
		}
		name := strings.ReplaceAll(f.Tag.Get("mapstructure"), "_", "-")
		help := f.Tag.Get("help")
		switch p := v.Field(i).Addr().Interface().(type) {
		case *string:
			fs.StringVar(p, name, *p, help)
		case *secret.Secret:
			fs.StringVar((*string)(p), name, "", help)
		case *bool:
			fs.BoolVar(p, name, *p, help)
		case *int:
			fs.IntVar(p, name, *p, help)
		case *int64:
			fs.Int64Var(p, name, *p, help)
		case *uint64:
			fs.Uint64Var(p, name, *p, help)
		case *float64:
			fs.Float64Var(p, name, *p, help)
		default:
			fs.DurationVar(v.Field(i).Addr().Interface().(*duration), name, v.Field(i).Interface().(duration), help)
		}
	}
}

// fromEnv fills an empty secret from the environment, where other users of the machine cannot see it as they can a flag.
func fromEnv(p Process, s *secret.Secret, name string) {
	if *s == "" {
		*s = secret.Secret(p.Getenv(name))
	}
}

// flagError turns the keys of a Config's Validate, snake_case, into the names of flags.
func flagError(cmd *cobra.Command, err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		key := strings.ReplaceAll(f.Name, "-", "_")
		lines := strings.Split(text, "\n")
		for i, line := range lines {
			if rest, ok := strings.CutPrefix(line, key+" must"); ok {
				lines[i] = "--" + f.Name + " must" + rest
			}
		}
		text = strings.Join(lines, "\n")
	})
	return fmt.Errorf("wrong flags (see %s --help):\n  %s", cmd.CommandPath(), strings.ReplaceAll(text, "\n", "\n  "))
}

// size is a number of bytes that may be written 2KB or 1MiB. Both KB and KiB are 1024: bodies have no reason for 1000.
type size struct{ bytes *int }

func (s size) String() string {
	if s.bytes == nil {
		return ""
	}
	if n := *s.bytes; n >= 1024 && n%1024 == 0 {
		return strconv.Itoa(n/1024) + "KB"
	}
	return strconv.Itoa(*s.bytes)
}

func (s size) Set(text string) error {
	number, factor := strings.ToUpper(strings.TrimSpace(text)), 1
	for _, unit := range []struct {
		name   string
		factor int
	}{{"KIB", 1 << 10}, {"KB", 1 << 10}, {"K", 1 << 10}, {"MIB", 1 << 20}, {"MB", 1 << 20}, {"M", 1 << 20}, {"B", 1}} {
		if rest, ok := strings.CutSuffix(number, unit.name); ok {
			number, factor = rest, unit.factor
			break
		}
	}
	n, err := strconv.Atoi(strings.TrimSpace(number))
	if err != nil || n < 0 || n > 1<<40/factor {
		return fmt.Errorf("%q is not a size such as 2048, 2KB or 1MB", text)
	}
	*s.bytes = n * factor
	return nil
}

func (size) Type() string { return "size" }
