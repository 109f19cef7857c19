"""`polyio lab claims`: the table, claims.json and the report have what docs/lab.md says, whatever
the figures are: the machine may be busy.
"""
import json
import signal
import subprocess
import tempfile
from pathlib import Path

from harness import POLYIO, TestCase, main, wait_until

VERDICTS = {"holds", "does not hold here", "within noise", "not measured"}
SHORT = ("--seconds", "0.05")


class Claims(TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name) / "out"
        self.file = self.folder / "claims.json"

    def claims(self, *arguments, code=0):
        done = subprocess.run([POLYIO, "lab", "claims", *map(str, arguments)], text=True,
                              capture_output=True, timeout=120, stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, code, done.stderr)
        return done

    def check_form(self, content, names):
        self.assertEqual(set(content), {"schema", "polyio", "command", "started", "finished",
                                        "complete", "machine", "settings", "claims", "evidence",
                                        "waited_for_core_share"})
        self.assertEqual(content["schema"], 1)
        self.assertEqual([claim["name"] for claim in content["claims"]], names)
        for claim in content["claims"]:
            self.assertEqual(set(claim), {"name", "claim", "source", "measured", "verdict", "text",
                                          "chart"})
            self.assertIn(claim["verdict"], VERDICTS)
        self.assertEqual(set(content["evidence"]), {"points", "trials"})
        page = (self.folder / "report.html").read_text()
        shown = json.loads(page.split('id="results">', 1)[1].split("</script>", 1)[0])
        self.assertEqual(shown["claims"], content["claims"])

    def test_are_measured_and_judged(self):
        names = ["polling-burns-cpu", "epoll-stays-flat"]
        figures = self.folder / "figures"
        done = self.claims(*names, "--quick", "--rounds", 2, *SHORT, "--out", self.folder, "--svg",
                           figures)
        content = json.loads(self.file.read_text())
        self.check_form(content, names)
        self.assertTrue(content["complete"] and content["finished"])
        for claim in content["claims"]:
            self.assertNotEqual(claim["verdict"], "not measured", claim)
            self.assertTrue(claim["measured"])
            self.assertIn(claim["name"], done.stdout)
        polling, growth = content["claims"]
        line, = growth["chart"]["series"]
        self.assertEqual((line["name"], line["x"]), ("epoll", [10, 100, 1000]))
        self.assertIsNone(polling["chart"])
        self.assertEqual([file.name for file in figures.iterdir()], [f"{names[1]}.svg"])
        self.assertIn("10 of them active", (figures / f"{names[1]}.svg").read_text())
        self.assertEqual(len(content["evidence"]["points"]), 5)
        self.assertIn("there already", self.claims(*names, "--out", self.folder, code=1).stderr)

    def test_a_ceiling_is_a_finding(self):
        self.claims("select-ends-at-1024", "epoll-ends-at-open-files", "--rounds", 1, *SHORT,
                    "--quick", "--out", self.folder)
        content = json.loads(self.file.read_text())
        self.assertEqual([claim["verdict"] for claim in content["claims"]], ["holds", "holds"])
        self.assertIn("too large for select(2)", content["claims"][0]["measured"])

    def test_without_a_folder_there_is_the_table_only(self):
        done = self.claims("poll-grows", "--quick", "--rounds", 1, *SHORT)
        self.assertIn("within noise        poll-grows: ", done.stdout)
        self.assertIn("take more rounds", done.stdout.replace("\n" + 20 * " ", " "))
        self.assertNotIn("wrote", done.stderr)

    def test_an_interrupt_keeps_what_is_there(self):
        process = subprocess.Popen(
            [POLYIO, "lab", "claims", "select-suits-many", "--rounds", "1000", *SHORT, "--out",
             str(self.folder)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        wait_until(self.file.exists, "the first round")
        process.send_signal(signal.SIGINT)
        out, said = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130, said)
        self.assertIn("stopped", said)
        self.assertIn("select-suits-many", out)
        content = json.loads(self.file.read_text())
        self.check_form(content, ["select-suits-many"])
        self.assertEqual((content["complete"], content["finished"]), (False, None))

    def test_an_unknown_name_is_refused_with_the_list(self):
        done = self.claims("select-grow", code=1)
        self.assertIn('no claim "select-grow"', done.stderr)
        self.assertIn("select-grows", done.stderr)

    def test_the_list_measures_nothing(self):
        listed = self.claims("--list")
        self.assertIn("polling-burns-cpu: Polling burns CPU", listed.stdout)
        self.assertEqual(listed.stderr, "")
        self.assertEqual(self.claims("--list", "poll-grows").stdout.count("(S3, S4)"), 1)


if __name__ == "__main__":
    main()
