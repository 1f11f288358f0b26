package config

import (
	"strings"

	"github.com/spf13/pflag"
)

// Flags are the settings that one command takes as flags.
type Flags struct {
	byKey map[string]*flagValue
	sets  []FlagGroup
}

// FlagGroup is the flags of one section, for help.
type FlagGroup struct {
	Section string
	Set     *pflag.FlagSet
}

// NewFlags makes a flag for every setting of the given sections, in their order. rename gives a setting, by its key, a
// shorter flag for this command.
//
// The flags keep their text; Load parses it, so that a bad flag is reported together with everything else.
func NewFlags(defaults Config, sections []string, rename map[string]string) *Flags {
	return newFlags(&defaults, sections, rename)
}

func newFlags(target any, sections []string, rename map[string]string) *Flags {
	f := &Flags{byKey: map[string]*flagValue{}}
	settings := settingsOf(target)
	shown := defaultsOf(target, settings)
	for _, section := range sections {
		set := pflag.NewFlagSet(section, pflag.ContinueOnError)
		set.SortFlags = false
		for _, s := range settings {
			if s.Section() != section {
				continue
			}
			value := &flagValue{name: s.Flag, kind: s.kind, text: shown[s.Key]}
			if short, ok := rename[s.Key]; ok {
				value.name = short
			}
			f.byKey[s.Key] = value
			// A back-quoted word in usage would be taken for the value's name.
			flag := set.VarPF(value, value.name, "", strings.ReplaceAll(s.Help, "`", "'"))
			if s.kind == kindBool {
				flag.NoOptDefVal = "true"
			}
		}
		f.sets = append(f.sets, FlagGroup{Section: section, Set: set})
	}
	return f
}

// Groups returns the flags by section.
func (f *Flags) Groups() []FlagGroup { return f.sets }

func (f *Flags) lookup(key string) (*flagValue, bool) {
	if f == nil {
		return nil, false
	}
	v, ok := f.byKey[key]
	return v, ok
}

// flagValue is a pflag.Value and a viper.FlagValue that holds any text.
type flagValue struct {
	name    string
	kind    kind
	text    string
	changed bool
}

// String is the text given, else the default's.
func (v *flagValue) String() string { return v.text }

// Set takes any text.
func (v *flagValue) Set(text string) error {
	v.text, v.changed = text, true
	return nil
}

// Type is the word that help shows for the value; "bool" is the one that pflag shows no word for.
func (v *flagValue) Type() string {
	if v.kind == kindBool {
		return "bool"
	}
	return v.kind.word()
}

// HasChanged tells whether the flag was given.
func (v *flagValue) HasChanged() bool { return v.changed }

// Name is the flag's, without dashes.
func (v *flagValue) Name() string { return v.name }

// ValueString is the text given.
func (v *flagValue) ValueString() string { return v.text }

// ValueType is a name that viper has no conversion for: for "integer" and the like it would turn what does not parse
// into a silent zero.
func (v *flagValue) ValueType() string { return "verbatim" }
