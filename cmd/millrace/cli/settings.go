package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"millrace/cmd/millrace/config"
)

// settings are the sections of the configuration that one command uses: they are its flags, and they must be valid for
// it to run. All other sections may be in the file as well.
type settings struct {
	app      *app
	defaults config.Config
	sections []string
	flags    *config.Flags
}

// annotation marks a flag as a setting of the named section.
const annotation = "millrace_section"

// use gives cmd the flags of sections. tune changes the defaults for this command and rename its flags, both optional.
func (a *app) use(cmd *cobra.Command, sections []string, tune func(*config.Config), rename map[string]string) *settings {
	s := &settings{app: a, defaults: config.Default(), sections: sections}
	if tune != nil {
		tune(&s.defaults)
	}
	s.flags = config.NewFlags(s.defaults, sections, rename)
	cmd.Flags().SortFlags = false
	for _, g := range s.flags.Groups() {
		g.Set.VisitAll(func(f *pflag.Flag) {
			f.Annotations = map[string][]string{annotation: {g.Section}}
			cmd.Flags().AddFlag(f)
		})
	}
	complete(cmd, "log-level", "debug", "info", "warn", "error")
	complete(cmd, "log-format", "auto", "json", "text")
	return s
}

// complete offers the shell the words there are for a flag, if the command has it.
func complete(cmd *cobra.Command, flag string, words ...string) {
	if cmd.Flags().Lookup(flag) == nil {
		return
	}
	// The only error is that the flag does not exist.
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
}

// load reads the configuration, without validating it.
func (s *settings) load() (*config.Loaded, error) {
	return config.Load(s.defaults, config.Sources{
		File:    cmp.Or(s.app.file, config.Getenv(s.app.p.Environ, config.EnvFile)),
		Environ: s.app.p.Environ,
		Flags:   s.flags,
	})
}

// checked reads the configuration and validates the command's sections.
func (s *settings) checked() (*config.Loaded, error) {
	l, err := s.load()
	if err != nil {
		return nil, err
	}
	if err := check(l, s.sections); err != nil {
		return nil, err
	}
	return l, nil
}

// check validates sections, with what only a command can know: which services there are.
func check(l *config.Loaded, sections []string) error {
	err := l.Check(sections...)
	if !slices.Contains(sections, "dev") {
		return err
	}
	var unknown []config.Problem
	for i, name := range l.Config.Dev.Services {
		if !slices.Contains(serviceNames(), name) {
			unknown = append(unknown, config.Problem{
				Key: fmt.Sprintf("dev.services[%d]", i), Text: fmt.Sprintf("must be one of %s, is %q", strings.Join(serviceNames(), ", "), name),
				Origin: l.Origin("dev.services"),
			})
		}
	}
	if len(unknown) == 0 {
		return err
	}
	return &config.Error{Problems: append(config.Problems(err), unknown...)}
}
