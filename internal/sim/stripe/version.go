package stripe

// Versions of the API that the sim renders in shapes of their own. Releases between them are accepted too and show the
// shape of the newest of these that is not younger.
const (
	VersionOld    = "2024-06-20"
	VersionBasil  = "2025-03-31.basil"
	VersionDahlia = "2026-08-26.dahlia"
)

// shape is a generation of object shapes; later ones compare greater.
type shape int

const (
	shapeOld shape = iota
	shapeBasil
	shapeDahlia
	shapes
)

// shapeOf tells in which shape a version of the API shows objects; ok is false for a version that Stripe never released.
func shapeOf(version string) (s shape, ok bool) {
	switch version {
	case "2022-11-15", "2023-08-16", "2023-10-16", "2024-04-10", VersionOld, "2024-09-30.acacia", "2024-10-28.acacia",
		"2024-11-20.acacia", "2024-12-18.acacia", "2025-01-27.acacia", "2025-02-24.acacia":
		return shapeOld, true
	case VersionBasil, "2025-04-30.basil", "2025-05-28.basil", "2025-06-30.basil", "2025-07-30.basil",
		"2025-08-27.basil", "2025-09-30.clover", "2025-10-29.clover", "2025-11-17.clover", "2025-12-15.clover",
		"2026-01-28.clover", "2026-02-25.clover":
		return shapeBasil, true
	case "2026-03-25.dahlia", "2026-04-22.dahlia", "2026-05-27.dahlia", "2026-06-24.dahlia", VersionDahlia:
		return shapeDahlia, true
	}
	return 0, false
}
