// Which screen is at which path. One module per screen.
import { Alerts } from "./alerts.js";
import { Audit } from "./audit.js";
import { Feed } from "./feed.js";
import { Feeds } from "./feeds.js";
import { Message } from "./message.js";
import { Messages } from "./messages.js";
import { Overview } from "./overview.js";
import { Queue } from "./queue.js";
import { Queues } from "./queues.js";
import { Schedule } from "./schedule.js";
import { Schedules } from "./schedules.js";
import { Settings } from "./settings.js";
import { Task } from "./task.js";
import { Tasks } from "./tasks.js";
import { Worker } from "./worker.js";
import { Workers } from "./workers.js";

export const ROUTES = [
  { path: "/", screen: Overview },
  { path: "/schedules", screen: Schedules },
  { path: "/schedules/:id", screen: Schedule },
  { path: "/feeds", screen: Feeds },
  { path: "/feeds/:name", screen: Feed },
  { path: "/messages", screen: Messages },
  { path: "/messages/:sequence", screen: Message },
  { path: "/tasks", screen: Tasks },
  { path: "/tasks/:id", screen: Task },
  { path: "/workers", screen: Workers },
  { path: "/workers/:hostname", screen: Worker },
  { path: "/queues", screen: Queues },
  { path: "/queues/:name", screen: Queue },
  { path: "/alerts", screen: Alerts },
  { path: "/audit", screen: Audit },
  { path: "/settings", screen: Settings },
];
