package fetch

import "fmt"

// version of the npm packages, and of the engine in them. A change goes with new checksums below.
const version = "26.5.3"

// enginePackage is one platform's npm package.
type enginePackage struct {
	platform string // as in the package's name
	library  string // file name of the library in the archive

	// integrity is the archive's sha512 as npm writes it, "" where nobody has been able to verify the package yet. npm's own
	// check against the registry's checksum holds there as well, but that trusts the registry at the time of the fetch.
	integrity   string
	archiveSize int64 // in bytes, for the progress; 0 is unknown
	librarySize int64 // in bytes; 0 is unknown
}

func (p enginePackage) name() string { return "@chdb/lib-" + p.platform }

// lookup chooses the package. All four are published together, as the engine's Node package names them; only that for
// linux/amd64 has been fetched and run.
func lookup(goos, goarch string) (enginePackage, error) {
	switch goos + "/" + goarch {
	case "linux/amd64":
		return enginePackage{
			platform: "linux-x64-gnu", library: "libchdb.so",
			integrity:   "sha512-fPrLmRt5Moor9yGz4mazbrNje4t7X9KB2mTGkXFWRxRBs2iKy8yh6jx11xsa0Qr3iDFMU/yHqd+bVdYJXu3QaQ==",
			archiveSize: 166572008, librarySize: 559044752,
		}, nil
	case "linux/arm64":
		return enginePackage{platform: "linux-arm64-gnu", library: "libchdb.so"}, nil
	case "darwin/arm64":
		return enginePackage{platform: "darwin-arm64", library: "libchdb.so"}, nil
	case "darwin/amd64":
		return enginePackage{platform: "darwin-x64", library: "libchdb.so"}, nil
	default:
		return enginePackage{}, fmt.Errorf("%w for %s/%s (it exists for linux and darwin, amd64 and arm64): point --clickhouse-url at a running ClickHouse server",
			ErrUnavailable, goos, goarch)
	}
}
