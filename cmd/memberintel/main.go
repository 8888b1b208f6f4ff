// Command memberintel keeps a live, verified copy of a membership business in one PostgreSQL warehouse.
package main

import (
	"os"

	"memberintel/internal/app"
)

func main() { os.Exit(app.Main()) }
