// Starts the tab that is open.

import { chat } from "./playground_chat.js";
import { find } from "./playground_dom.js";
import { embeddings } from "./playground_embeddings.js";
import { images } from "./playground_images.js";
import { interfaces } from "./playground_interfaces.js";

const TABS = { chat, embeddings, images, interfaces };
const place = find("#playground");

if (place) TABS[place.dataset.tab]();
