package python

// Names of files that say what an app needs.
const (
	fileProject      = "pyproject.toml"
	fileRequirements = "requirements.txt"
	filePipfile      = "Pipfile"
	fileSetup        = "setup.py"
	fileUVLock       = "uv.lock"
	filePoetryLock   = "poetry.lock"
	filePDMLock      = "pdm.lock"
	filePipfileLock  = "Pipfile.lock"
	filePylock       = "pylock.toml"
)
