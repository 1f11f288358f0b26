// Package config builds one checked configuration from four layers: defaults in code, then a file, then MILLRACE_*
// environment variables, then flags. Later layers win, key by key; a list is replaced, never merged.
//
// The settings are the leaves of Config, found by reflection over the `mapstructure` and `help` tags that each package
// puts on its own Config. Names of environment variables and flags, the help text, the dump and README's reference
// follow from them, so a new field is a new setting everywhere at once.
//
// Nothing is silently ignored: an unknown key of the file and an unknown MILLRACE_* variable are problems like a value
// that does not parse, and all problems are reported together, each with its key, where the value came from and what to
// do.
//
// Viper merges the layers. Its decoder is not used: it stops at the first bad struct level, does not know a value's
// origin, truncates 1.5 to 1 and takes `timeout: 3` for three nanoseconds. Its AutomaticEnv is not used either: it
// reads the process's environment only, and never notices a misspelt name. The environment goes in as one more merged layer.
package config
