-- SPDX-License-Identifier: Apache-2.0
-- What serves a workload that no other blueprint takes: its volumes are cut at one moment, as a
-- power cut would leave them. Databases recover from that, if their files are on one volume.
return {
  name = "generic",
  summary = "Any workload: its volumes at one moment, without asking it to hold still",
}
