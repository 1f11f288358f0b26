package database

// MigrateWith is Migrate with other migrations than the program's.
var MigrateWith = migrate
