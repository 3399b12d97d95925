"""Backends from shared objects, as users of ffctl meet them. FF_TEST_MODULES is the folder of modules to load."""
import os
import pathlib
import unittest

from harness import Case

MODULES = pathlib.Path(os.environ["FF_TEST_MODULES"])


class Plugins(Case):
    def environment(self):
        return super().environment() | {"FF_BACKEND_PATH": f"{self.dir}/none:{self.dir}"}

    def put(self, scheme, module):
        """Makes a module known under a scheme."""
        (self.dir / f"ff_backend_{scheme}.so").symlink_to(MODULES / f"{module}.so")

    def test_unknown_scheme_is_loaded(self):
        self.assertEqual(self.error("report", "b", "x=1", store="memory:s"), "invalid")
        self.put("memory", "memory")
        self.assertTrue(self.one("report", "b", "x=1", store="memory:s")["applied"])
        trace = self.dir / "trace"
        self.assertTrue(self.one("report", "b", "x=1", store=f"trace+memory:s?trace_file={trace}")["applied"])
        self.assertIn("commit", trace.read_text())
        self.assertEqual(self.error("budget", "list", store="memory:s"), "not_found")

    def test_backends_names_what_is_there(self):
        self.put("memory", "memory")
        self.put("bad", "missing")
        (self.dir / "ff_backend_text.so").write_text("no module\n")
        names = [backend["name"] for backend in self.lines("backends")]
        self.assertIn("memory", names)
        self.assertNotIn("bent", names)
        told = self.run_raw("backends").stderr
        self.assertIn("ff_backend_bad.so': backend 'bent' lacks the slot 'store'", told)
        self.assertIn("ff_backend_text.so': the file is no shared object", told)
        self.assertIn(f"cannot read '{self.dir}/none' of FF_BACKEND_PATH", told)

    def test_refused_modules_are_told(self):
        reasons = {
            "newer": "interface 2",
            "older": "interface 0",
            "short": "lacks the slot 'commit'",
            "claims": "unknown capabilities",
            "undefined": "undefined symbol",
            "symbol": "no symbol 'ff_backend_plugin'",
            "code": "is no table",
            "head": "has 56 bytes and says",
            "memory": "does not answer to 'memory-1'",
        }
        for module, reason in reasons.items():
            self.put(f"{module}-1", module)
            done = self.run_raw("budget", "list", store=f"{module}-1:x")
            self.assertEqual(done.returncode, 1, done)
            self.assertIn(f"cannot load '{self.dir}/ff_backend_{module}-1.so'", done.stderr)
            self.assertIn(reason, done.stderr)


if __name__ == "__main__":
    unittest.main()
