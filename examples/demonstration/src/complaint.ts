/** An error whose message is all that the user has to see. */
export class Complaint extends Error {}
