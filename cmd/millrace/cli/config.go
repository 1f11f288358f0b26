package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"millrace/cmd/millrace/config"
)

func (a *app) configCommand() *cobra.Command {
	return group("config", "Check or show the configuration", a.configCheck(), a.configDump(), a.configReference())
}

func (a *app) configCheck() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check [section...]",
		Short: "Tell all that is wrong with the configuration",
		Long: "Read the file, the environment and the flags as the other commands do, and tell all that is wrong, each with its\n" +
			"key and where the value came from. With sections named, only they must be complete; values that do not parse and\n" +
			"names that no setting has are reported wherever they are.",
		Example: "  millrace config check --config millrace.yaml\n" +
			"  millrace config check --config consumer.yaml kafka analytics",
		Args: cobra.OnlyValidArgs, ValidArgs: config.Sections(),
	}
	s := a.use(cmd, config.Sections(), nil, nil)
	cmd.RunE = func(_ *cobra.Command, sections []string) error {
		if len(sections) > 0 {
			s.sections = sections
		}
		if _, err := s.checked(); err != nil {
			return err
		}
		_, err := fmt.Fprintln(a.p.Stdout, "The configuration is usable.")
		return err
	}
	return cmd
}

func (a *app) configDump() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dump",
		Short: "Print the effective configuration as YAML",
		Long: "Print every setting with its value and, as a comment, where the value came from. Secrets are masked. The output\n" +
			"is a configuration file; a masked secret in it must be replaced by the secret.",
		Example: "  millrace config dump > millrace.yaml",
		Args:    cobra.NoArgs,
	}
	s := a.use(cmd, config.Sections(), nil, nil)
	cmd.RunE = func(*cobra.Command, []string) error {
		l, err := s.load()
		if err != nil {
			return err
		}
		text, err := l.Dump()
		if err != nil {
			return err
		}
		_, err = a.p.Stdout.Write(text)
		return err
	}
	return cmd
}

// configReference is hidden: it is for whoever writes README.
func (a *app) configReference() *cobra.Command {
	return &cobra.Command{
		Use: "reference", Short: "Print the table of all settings in Markdown", Args: cobra.NoArgs, Hidden: true,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprint(a.p.Stdout, config.Reference())
			return err
		},
	}
}
