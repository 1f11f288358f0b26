// Package cli is the millrace program: its commands, and the wiring of the parts that each one runs. Parts are built
// here, by hand, from one Config; no part knows viper, cobra or another part's package.
package cli
