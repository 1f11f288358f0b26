package cli

// Whoami is who settles letters, for tests of what is printed.
func Whoami() string { return whoami() }
