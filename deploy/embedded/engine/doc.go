// Package engine runs the ClickHouse engine in a child process that serves ClickHouse's HTTP interface on loopback, and
// supervises that child.
//
// There are two halves. Supervisor lives in the program: it binds the address, starts the child, waits until it answers,
// restarts it when it dies and stops it. Child and Serve are the other half, what the hidden command "millrace engine" runs:
// they load libchdb and put an HTTP server in front of it that clickhouse-go, curl and Grafana take for a ClickHouse server.
//
// # Guarantees
//
// A 200 for an INSERT means that the engine has committed its parts: they survive kill -9 of the child, and with Fsync a power
// cut. Anything else, a lost connection included, means nothing: the rows may or may not be there, and repeating the insert
// with the same insert_deduplication_token is how to find out. Settings, query parameters and the current database of one
// request never reach another one.
//
// # What it is not
//
// It is not a server for a network: loopback, one user, no TLS, no access rights beyond "reads only" for GET. Sessions
// (session_id), external tables (multipart bodies) and the native TCP protocol are refused by name. One engine per data
// directory, which file locks enforce.
package engine
