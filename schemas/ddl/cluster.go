package ddl

import (
	"errors"
	"fmt"
	"regexp"
)

// ErrBadCluster is returned by CheckCluster and Render for a cluster name that would need escaping.
var ErrBadCluster = errors.New("cluster name must be letters, digits, underscores, dots and dashes, or {cluster}, at most 64")

// CheckCluster returns ErrBadCluster, wrapped, for a name that cannot stand in a statement.
func CheckCluster(name string) error {
	if ok, err := regexp.MatchString(`^([A-Za-z0-9_.-]{1,64}|\{cluster\})$`, name); err != nil || !ok {
		return fmt.Errorf("%w: %q", ErrBadCluster, name)
	}
	return nil
}
