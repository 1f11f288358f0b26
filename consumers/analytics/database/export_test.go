package database

import "time"

// ForTest sets what only tests set.
func (o *RebuildOptions) ForTest(lockLife time.Duration, pieceRows uint64, at func(step string)) {
	o.lockLife, o.pieceRows, o.at = lockLife, pieceRows, at
}

// MigrateWith is Migrate with other migrations than the program's.
var MigrateWith = migrate
