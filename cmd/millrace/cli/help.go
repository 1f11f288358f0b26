package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"millrace/cmd/millrace/config"
)

// helpColumns is where help wraps.
const helpColumns = 120

// help prints what cobra's own template does, but with settings grouped by their section, in a fixed order: a flat
// list of sixty flags is no help.
func help(cmd *cobra.Command, _ []string) {
	w := cmd.OutOrStdout()
	about := cmd.Long
	if about == "" {
		about = cmd.Short + "."
	}
	fmt.Fprintf(w, "%s\n\nUsage:\n", strings.TrimSpace(about))
	if cmd.Runnable() && !cmd.HasAvailableSubCommands() {
		fmt.Fprintf(w, "  %s\n", cmd.UseLine())
	}
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(w, "  %s [command]\n", cmd.CommandPath())
	}
	if cmd.HasExample() {
		fmt.Fprintf(w, "\nExamples:\n%s\n", strings.TrimRight(cmd.Example, "\n"))
	}
	if cmd.HasAvailableSubCommands() {
		fmt.Fprint(w, "\nCommands:\n")
		for _, c := range cmd.Commands() {
			if c.IsAvailableCommand() || c.Name() == "help" {
				fmt.Fprintf(w, "  %-*s  %s\n", cmd.NamePadding(), c.Name(), c.Short)
			}
		}
	}
	flagHelp(w, cmd)
	fmt.Fprintf(w, "\n%s\n", exitCodes)
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(w, "\nRun `%s [command] --help` for more about a command.\n", cmd.CommandPath())
	}
}

// flagHelp prints the flags: the command's own first, then each section's.
func flagHelp(w io.Writer, cmd *cobra.Command) {
	own := pflag.NewFlagSet("", pflag.ContinueOnError)
	sections := map[string]*pflag.FlagSet{}
	add := func(f *pflag.Flag) {
		set := own
		if name := f.Annotations[annotation]; len(name) == 1 {
			if sections[name[0]] == nil {
				sections[name[0]] = pflag.NewFlagSet(name[0], pflag.ContinueOnError)
				sections[name[0]].SortFlags = false
			}
			set = sections[name[0]]
		}
		if f.Value.Type() == "bool" {
			// Without a value in the usage: --help, not --help[=true|false].
			plain := *f
			plain.NoOptDefVal = ""
			f = &plain
		}
		set.AddFlag(f)
	}
	cmd.LocalFlags().VisitAll(add)
	cmd.InheritedFlags().VisitAll(add)
	if own.HasAvailableFlags() {
		fmt.Fprintf(w, "\nFlags:\n%s", own.FlagUsagesWrapped(helpColumns))
	}
	if len(sections) == 0 {
		return
	}
	fmt.Fprintf(w, "\nSettings. Each is a key of the file too (--kafka-brokers is brokers in section kafka) and a variable\n"+
		"(%sKAFKA_BROKERS). A flag wins over a variable, a variable over the file.\n", config.EnvPrefix)
	for _, name := range config.Sections() {
		if set := sections[name]; set != nil {
			fmt.Fprintf(w, "\n%s:\n%s", name, set.FlagUsagesWrapped(helpColumns))
		}
	}
}
